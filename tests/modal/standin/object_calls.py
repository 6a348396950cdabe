"""The client's calls about what a function may use: images, code, secrets, volumes, dicts."""

import hashlib
from typing import Any

from google.protobuf.empty_pb2 import Empty
from modal_proto import api_pb2

from tests.modal.standin.world import World


class ObjectCalls:
    world: World
    blob_url: str

    async def EnvironmentGetOrCreate(self, request: Any, _task: str | None) -> Any:
        settings = api_pb2.EnvironmentSettings(image_builder_version="2025.06", webhook_suffix="")
        metadata = api_pb2.EnvironmentMetadata(
            name=request.deployment_name or "main", settings=settings
        )
        return api_pb2.EnvironmentGetOrCreateResponse(environment_id="en-1", metadata=metadata)

    async def MountGetOrCreate(self, request: Any, _task: str | None) -> Any:
        mount_id = self.world.new_id("mo")
        self.world.mounts[mount_id] = {each.filename: each.sha256_hex for each in request.files}
        metadata = api_pb2.MountHandleMetadata(content_checksum_sha256_hex="0" * 64)
        return api_pb2.MountGetOrCreateResponse(mount_id=mount_id, handle_metadata=metadata)

    async def MountBatchedCheckExistence(self, request: Any, _task: str | None) -> Any:
        missing = [
            each for each in request.sha256_hex_hashes if each not in self.world.mounted_files
        ]
        return api_pb2.MountBatchedCheckExistenceResponse(missing_sha256_hex_hashes=missing)

    async def MountPutFile(self, request: Any, _task: str | None) -> Any:
        blob = self.world.blobs.get(request.data_blob_id)
        self.world.mounted_files[request.sha256_hex] = request.data if blob is None else blob
        return api_pb2.MountPutFileResponse(exists=True)

    async def ImageGetOrCreate(self, request: Any, _task: str | None) -> Any:
        digest = hashlib.sha256(request.image.SerializeToString(deterministic=True)).hexdigest()
        image_id = f"im-{digest[:12]}"
        self.world.images[image_id] = request.image
        self.world.objects[image_id] = ("", None)
        return api_pb2.ImageGetOrCreateResponse(image_id=image_id)  # without a result: not built

    async def ImageJoinStreaming(self, _request: Any, _task: str | None) -> Any:
        """Every build succeeds at once: nothing is built here."""
        yield api_pb2.ImageJoinStreamingResponse(
            result=api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_SUCCESS),
            metadata=api_pb2.ImageMetadata(image_builder_version="2025.06"),
        )

    async def SecretGetOrCreate(self, request: Any, _task: str | None) -> Any:
        secret_id = self.world.named_secrets.get(request.deployment_name) or self.world.new_id("st")
        self.world.secrets.setdefault(secret_id, dict(request.env_dict))
        self.world.objects[secret_id] = ("", None)
        metadata = api_pb2.SecretMetadata(name=request.deployment_name)
        return api_pb2.SecretGetOrCreateResponse(secret_id=secret_id, metadata=metadata)

    async def VolumeGetOrCreate(self, request: Any, _task: str | None) -> Any:
        volume_id = f"vo-{hashlib.sha256(request.deployment_name.encode()).hexdigest()[:12]}"
        folder = self.world.root / volume_id
        folder.mkdir(exist_ok=True)
        self.world.volumes[volume_id] = folder
        metadata = api_pb2.VolumeMetadata(
            version=api_pb2.VOLUME_FS_VERSION_V2, name=request.deployment_name
        )
        self.world.objects[volume_id] = ("volume_metadata", metadata)
        return api_pb2.VolumeGetOrCreateResponse(
            volume_id=volume_id, version=api_pb2.VOLUME_FS_VERSION_V2, metadata=metadata
        )

    async def VolumeCommit(self, _request: Any, _task: str | None) -> Any:
        return api_pb2.VolumeCommitResponse(skip_reload=True)

    async def DictGetOrCreate(self, request: Any, _task: str | None) -> Any:
        name = f"{self.world.workspace}{request.deployment_name}"
        dict_id = f"di-{hashlib.sha256(name.encode()).hexdigest()[:12]}"
        self.world.dicts.setdefault(dict_id, {})
        metadata = api_pb2.DictMetadata(name=request.deployment_name)
        return api_pb2.DictGetOrCreateResponse(dict_id=dict_id, metadata=metadata)

    async def DictUpdate(self, request: Any, _task: str | None) -> Any:
        entries = self.world.dicts[request.dict_id]
        new = {each.key: each.value for each in request.updates if each.key not in entries}
        if request.if_not_exists:
            entries.update(new)
        else:
            entries.update({each.key: each.value for each in request.updates})
        return api_pb2.DictUpdateResponse(created=bool(new))

    async def DictGet(self, request: Any, _task: str | None) -> Any:
        value = self.world.dicts[request.dict_id].get(request.key)
        return api_pb2.DictGetResponse(found=value is not None, value=value)

    async def DictContains(self, request: Any, _task: str | None) -> Any:
        found = request.key in self.world.dicts[request.dict_id]
        return api_pb2.DictContainsResponse(found=found)

    async def BlobCreate(self, _request: Any, _task: str | None) -> Any:
        blob_id = self.world.new_id("bl")
        url = f"{self.blob_url}/{blob_id}"
        response = api_pb2.BlobCreateResponse(blob_ids=[blob_id])
        response.upload_urls.items.append(url)
        return response

    async def BlobGet(self, request: Any, _task: str | None) -> Any:
        return api_pb2.BlobGetResponse(download_url=f"{self.blob_url}/{request.blob_id}")

    async def AppHeartbeat(self, _request: Any, _task: str | None) -> Any:
        return Empty()
