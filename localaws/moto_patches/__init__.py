"""What moto lacks, takes where AWS refuses, or does slowly: a named patch each."""
