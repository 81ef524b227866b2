"""The inputs of a KServe v2 request in JSON as tritonclient takes them, over REST and gRPC alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distctl.errors import InputError
from distctl.samples import flat


def tensors(kind: Any, request: Mapping[str, Any]) -> list[Any]:
    """The request's inputs; `kind` is `InferInput` of tritonclient.http or tritonclient.grpc.

    Raises InputError for an input that is not whole: a key missing, or data that do not fill the shape.
    """
    return [_tensor(kind, item) for item in request["inputs"]]


def _tensor(kind: Any, item: Any) -> Any:
    import numpy as np
    from tritonclient.utils import InferenceServerException, triton_to_np_dtype

    if not isinstance(item, Mapping):
        raise InputError(f"an input of the request is no object: {item!r:.60}")
    try:
        values = flat(item["data"])
        if item["datatype"] == "BYTES":
            array = np.array([str(value).encode() for value in values], dtype=object)
        else:
            array = np.array(values, dtype=triton_to_np_dtype(item["datatype"]))
        tensor = kind(item["name"], item["shape"], item["datatype"])
        tensor.set_data_from_numpy(array.reshape(item["shape"]))
    except KeyError as error:
        raise InputError(f"an input of the request has no `{error.args[0]}`") from error
    except (TypeError, ValueError, OverflowError, InferenceServerException) as error:
        raise InputError(f"input {item.get('name')}: {error}") from error
    return tensor
