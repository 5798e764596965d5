"""What AWS says when it refuses, in words that name the thing and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from model_zoo.errors import AidrugError


class HostError(AidrugError):
    """A host, its manager or the account is not as a command needs it."""


_LOG_IN = "Log in again (`aws sso login`, or new keys); in a workflow, run the step that assumes the role again."
_CODES = {
    "ExpiredToken": f"the AWS credentials have expired. {_LOG_IN}",
    "ExpiredTokenException": f"the AWS credentials have expired. {_LOG_IN}",
    "RequestExpired": f"the AWS credentials have expired. {_LOG_IN}",
    "InvalidClientTokenId": f"AWS does not know these credentials. {_LOG_IN}",
    "UnrecognizedClientException": f"AWS does not know these credentials. {_LOG_IN}",
    "AuthFailure": f"AWS does not accept these credentials. {_LOG_IN}",
    "InvalidInstanceID.NotFound": (
        "there is no instance {instance} in {region}. Is AWS_REGION right? `terraform output settings` prints "
        "region and instance."
    ),
    "InvalidInstanceID.Malformed": "{instance} is no instance id. `terraform output settings` prints it.",
    "InvalidDocument": (
        "there is no SSM document {document} in {region}. `terraform output settings` prints its name; "
        "is AWS_REGION right?"
    ),
    "InvalidInstanceId": (
        "SSM cannot reach {instance}: it is not running, or its agent lost contact. Look: aidrug host status"
    ),
    "ResourceNotFoundException": "there is no log group {group} in {region} yet. Apply Terraform, then deploy.",
    "InsufficientInstanceCapacity": (
        "AWS has no capacity for this instance type in its zone at the moment. Try again in some minutes, or change "
        "instance_type."
    ),
    "VcpuLimitExceeded": (
        "the account's limit of vCPUs is used up. Ask for more: Service Quotas, EC2, 'Running On-Demand Standard "
        "instances'."
    ),
}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}


@contextmanager
def explained(**names: str) -> Iterator[None]:
    """Turn what botocore raises inside into a `HostError`.

    Parameters
    ----------
    names
        What the call is about: `instance`, `region`, `document`, `group`.
    """
    from botocore import exceptions

    try:
        yield
    except exceptions.NoCredentialsError as error:
        raise HostError(f"no AWS credentials found. {_LOG_IN}") from error
    except exceptions.TokenRetrievalError as error:
        raise HostError(f"the AWS session has expired. {_LOG_IN}") from error
    except exceptions.EndpointConnectionError as error:
        raise HostError(
            f"AWS cannot be reached ({error}). Is {names.get('region')} a region, and is the network up?"
        ) from error
    except exceptions.ClientError as error:
        code, message = str(error.response["Error"]["Code"]), str(error.response["Error"].get("Message", ""))
        if code in _DENIED:
            raise HostError(
                f"these credentials may not call {error.operation_name}: {message}. The delivery role may do it for "
                "the branch and instance it was made for; `aws sts get-caller-identity` says who you are."
            ) from error
        if code in _CODES:
            words = {"instance": "?", "region": "?", "document": "?", "group": "?", **names}
            raise HostError(_CODES[code].format(**words)) from error
        raise HostError(f"AWS refused {error.operation_name}: {code}: {message}") from error
