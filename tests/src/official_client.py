"""Pages through every user's history with Microsoft's own client library, and prints each record as a line of JSON.

Arguments: origin of Graph, tenant id, client id, client secret.
"""

import asyncio
import json
import sys
import urllib.parse
import urllib.request

from kiota_abstractions.authentication import AccessTokenProvider, AllowedHostsValidator
from kiota_abstractions.authentication.base_bearer_token_authentication_provider import (
    BaseBearerTokenAuthenticationProvider,
)
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_http.httpx_request_adapter import HttpxRequestAdapter
from microsoft_agents_m365copilot.generated.base_agents_m365_copilot_service_client import (
    BaseAgentsM365CopilotServiceClient,
)
from microsoft_agents_m365copilot.generated.copilot.users.item.interaction_history.get_all_enterprise_interactions.get_all_enterprise_interactions_request_builder import (
    GetAllEnterpriseInteractionsRequestBuilder as Builder,
)
from microsoft_agents_m365copilot.generated.models.o_data_errors.o_data_error import ODataError

ORIGIN, TENANT, CLIENT, SECRET = sys.argv[1:]


class Tokens(AccessTokenProvider):
    """The app's token, by its secret. The library's own credentials insist on https."""

    token = None

    async def get_authorization_token(self, uri, additional_authentication_context={}):
        if self.token is None:
            form = {
                "grant_type": "client_credentials",
                "client_id": CLIENT,
                "client_secret": SECRET,
                "scope": f"{ORIGIN}/.default",
            }
            url = f"{ORIGIN}/{TENANT}/oauth2/v2.0/token"
            with urllib.request.urlopen(url, urllib.parse.urlencode(form).encode()) as answer:
                self.token = json.load(answer)["access_token"]
        return self.token

    def get_allowed_hosts_validator(self):
        return AllowedHostsValidator([])


def everybody(token):
    """The ids of all users: the directory is not part of this library."""
    url = f"{ORIGIN}/v1.0/users?$top=999&$select=id".replace("$", "%24")
    while url:
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request) as answer:
            page = json.load(answer)
        yield from (user["id"] for user in page["value"])
        url = page.get("@odata.nextLink")


def line(user, record):
    """What names a record, and how long its lists are."""
    created = record.created_date_time
    return {
        "user": user,
        "session": record.session_id,
        "id": record.id,
        "etag": record.etag,
        "created_us": round(created.timestamp() * 1_000_000) if created else None,
        "attachments": len(record.attachments or []),
        "contexts": len(record.contexts or []),
        "mentions": len(record.mentions or []),
    }


async def main():
    tokens = Tokens()
    adapter = HttpxRequestAdapter(BaseBearerTokenAuthenticationProvider(tokens))
    adapter.base_url = f"{ORIGIN}/v1.0"
    client = BaseAgentsM365CopilotServiceClient(adapter)
    parameters = Builder.GetAllEnterpriseInteractionsRequestBuilderGetQueryParameters(top=100)
    query = RequestConfiguration(query_parameters=parameters)
    for user in everybody(await tokens.get_authorization_token(ORIGIN)):
        history = client.copilot.users.by_ai_user_id(user).interaction_history.get_all_enterprise_interactions
        try:
            page = await history.get(query)
            while page:
                for record in page.value:
                    print(json.dumps(line(user, record)))
                page = await history.with_url(page.odata_next_link).get() if page.odata_next_link else None
        except ODataError as error:
            print(json.dumps({"user": user, "refused": error.response_status_code, "code": error.error.code}))


asyncio.run(main())
