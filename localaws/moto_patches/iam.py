"""Patches of moto's IAM: pages of lists, and keys found by id."""

import base64
from typing import Any

from moto.core.responses import ActionResult
from moto.iam.models import IAMBackend
from moto.iam.responses import IamResponse

from localaws.moto_patches.wiring import replace_method


def paginate_iam_lists() -> None:
    """Honour MaxItems and Marker in ListUsers and ListAccessKeys: moto always gives everything at once."""

    def page(response: IamResponse, field: str, items: list[Any], more: dict[str, Any]) -> ActionResult:
        start = int(base64.b64decode(response._get_param("Marker") or "") or 0)
        end = start + int(response._get_param("MaxItems") or 100)
        result = {**more, field: items[start:end], "IsTruncated": end < len(items)}
        if end < len(items):
            result["Marker"] = base64.b64encode(str(end).encode()).decode()
        return ActionResult(result)

    def list_users(self: IamResponse) -> ActionResult:
        users = list(self.backend.list_users(self._get_param("PathPrefix"), None, None))
        return page(self, "Users", sorted(users, key=lambda user: str(user.name)), {})

    def list_access_keys(self: IamResponse) -> ActionResult:
        user_name = self._get_param("UserName")
        return page(self, "AccessKeyMetadata", self.backend.list_access_keys(user_name), {"UserName": user_name})

    replace_method(IamResponse, "list_users", list_users)
    replace_method(IamResponse, "list_access_keys", list_access_keys)


def find_access_keys_by_id() -> None:
    """Find the key that GetAccessKeyLastUsed asks for by its id: moto looks through all keys of all users."""
    search = IAMBackend.get_access_key_last_used

    def get_access_key_last_used(self: IAMBackend, access_key_id: str) -> dict[str, Any]:
        key = self.access_keys.get(access_key_id)
        if key is None or key.user_name not in self.users:
            return search(self, access_key_id)
        return {"user_name": key.user_name, "last_used": key.last_used}

    replace_method(IAMBackend, "get_access_key_last_used", get_access_key_last_used)
