"""The base job templates, rendered as Prefect's workers render them."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from docker.types import HostConfig
from prefect.client.schemas.objects import Flow, FlowRun
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings
from prefect.workers.base import BaseJobConfiguration, BaseWorker
from prefect.workers.process import ProcessWorker
from prefect_azure.workers.container_instance import AzureContainerWorker
from prefect_docker.worker import DockerWorker
from prefect_kubernetes.worker import KubernetesWorker

from deployments.pools.templates import KINDS, PoolError, base_job_template, variable_names

WORKERS: dict[str, type[BaseWorker[Any, Any, Any]]] = {
    "azure-container-instances": AzureContainerWorker,
    "docker": DockerWorker,
    "kubernetes": KubernetesWorker,
    "process": ProcessWorker,
}
IMAGE = "registry.example/framewright:1"
PASSWORD = "admin:not-to-be-shown"  # noqa: S105 - of nothing
API = "https://prefect.example/api"
COMMAND = "prefect flow-run execute"


def render(kind: str, defaults: dict[str, Any] | None = None, **job_variables: Any) -> Any:
    """The job configuration of a sample run, made by the worker's own code."""
    template = base_job_template(kind, defaults)
    configuration: type[BaseJobConfiguration] = WORKERS[kind].job_configuration
    now = datetime.now(UTC)
    flow = Flow(id=uuid4(), name="f", created=now, updated=now)
    run = FlowRun(id=uuid4(), flow_id=flow.id, name="a run", created=now, updated=now)
    with temporary_settings({PREFECT_API_URL: API, PREFECT_API_AUTH_STRING: PASSWORD}):
        made: Any = asyncio.run(
            configuration.from_template_and_values(template, job_variables, client=object())  # type: ignore[arg-type]
        )
        made.prepare_for_flow_run(run, flow=flow)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_prefects_own_template_is_lost(kind: str) -> None:
    """A newer Prefect may know more: then this says what."""
    ours, stock = base_job_template(kind), WORKERS[kind].get_default_base_job_template()
    assert WORKERS[kind].type == KINDS[kind]
    gone = {
        "docker": {"privileged", "container_create_kwargs"},
        "azure-container-instances": {"gpu_count", "gpu_sku", "entrypoint"},
    }.get(kind, set())
    known = set(stock["variables"]["properties"])
    assert known - set(ours["variables"]["properties"]) == gone
    assert set(stock["job_configuration"]) - set(ours["job_configuration"]) <= gone


def test_a_process_sees_the_gpus_that_it_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert "CUDA_VISIBLE_DEVICES" not in render("process").env
    one = render("process", {"gpus": "1"}, env={"FRAMEWRIGHT_BATCH_FRAMES": "4"})
    assert one.env["CUDA_VISIBLE_DEVICES"] == "1"
    assert one.env["FRAMEWRIGHT_BATCH_FRAMES"] == "4"
    assert one.env["PREFECT_API_URL"] == API
    assert one.command.endswith("python -m prefect.engine")


def container_settings(configuration: Any) -> dict[str, Any]:
    """What the Docker worker asks the Docker engine for."""

    class Engine:
        def version(self) -> dict[str, str]:
            return {"Version": "28.0.0"}

    worker = DockerWorker.__new__(DockerWorker)
    settings: dict[str, Any] = worker._build_container_settings(Engine(), configuration)  # type: ignore[arg-type]
    return settings


def test_a_docker_container_has_the_gpus_and_no_more_rights_than_it_needs() -> None:
    settings = container_settings(render("docker", image=IMAGE, env={"A": "1"}))
    assert settings["image"] == IMAGE
    assert settings["command"].endswith(COMMAND)
    assert settings["environment"]["A"] == "1"
    assert settings["environment"]["PREFECT_API_URL"] == API
    assert not settings["privileged"]
    assert settings["cap_drop"] == ["ALL"]
    host = HostConfig("1.50", device_requests=settings["device_requests"])
    [request] = host["DeviceRequests"]
    assert (request["Driver"], request["Count"]) == ("nvidia", -1)
    assert request["Capabilities"] == [["gpu"]]
    without = container_settings(render("docker", image=IMAGE, device_requests=[]))
    assert not without["device_requests"]


def test_a_kubernetes_job_asks_for_the_gpu_where_the_gpus_are() -> None:
    made = render("kubernetes", image=IMAGE, gpu_count=2, node_selector={"agentpool": "gpu"})
    pod = made.job_manifest["spec"]["template"]["spec"]
    [container] = pod["containers"]
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 2}
    assert pod["nodeSelector"] == {"agentpool": "gpu"}
    assert {"sku", "nvidia.com/gpu"} == {item["key"] for item in pod["tolerations"]}
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["image"] == IMAGE
    assert container["args"] == COMMAND.split()
    assert container["envFrom"] == [{"secretRef": {"name": "framewright", "optional": True}}]
    env = {item["name"]: item.get("value") for item in container["env"]}
    assert env["PREFECT_API_URL"] == API
    assert env["FRAMEWRIGHT_SCRATCH_FOLDER"] == container["volumeMounts"][0]["mountPath"]


def test_a_kubernetes_job_takes_the_servers_password_from_a_secret() -> None:
    """The worker's own code, which its two settings switch on (docs/operations.md)."""
    made = render("kubernetes", image=IMAGE)
    worker = KubernetesWorker.__new__(KubernetesWorker)
    replace = worker._replace_env_variable_with_secret(
        "PREFECT_API_AUTH_STRING", made, "prefect-auth", "auth-string"
    )
    asyncio.run(replace)
    [container] = made.job_manifest["spec"]["template"]["spec"]["containers"]
    entry = next(e for e in container["env"] if e["name"] == "PREFECT_API_AUTH_STRING")
    assert entry["valueFrom"]["secretKeyRef"] == {"name": "prefect-auth", "key": "auth-string"}
    assert PASSWORD not in json.dumps(made.job_manifest)


ACI = {"image": IMAGE, "resource_group_name": "framewright", "subscription_id": "0"}


def test_a_container_instance_gets_the_gpu_that_prefects_template_drops() -> None:
    gpu = {"count": 1, "sku": "V100"}
    made = render("azure-container-instances", ACI, gpu=gpu, identities=["/subscriptions/0/id"])
    [group] = made.arm_template["resources"]
    [container] = group["properties"]["containers"]
    wanted = {"cpu": 4, "memoryInGB": 16, "gpu": gpu}
    assert container["properties"]["resources"]["requests"] == wanted
    assert container["properties"]["image"] == IMAGE
    assert container["properties"]["command"] == COMMAND.split()
    assert list(group["identity"]["userAssignedIdentities"]) == ["/subscriptions/0/id"]
    bare = render("azure-container-instances", ACI).arm_template["resources"][0]["properties"]
    asked = bare["containers"][0]["properties"]["resources"]["requests"]
    assert asked == {"cpu": 4, "memoryInGB": 16}


def test_a_container_instance_shows_no_password() -> None:
    made = render("azure-container-instances", ACI)
    [container] = made.arm_template["resources"][0]["properties"]["containers"]
    env = container["properties"]["environmentVariables"]
    secure = {"name": "PREFECT_API_AUTH_STRING", "secureValue": PASSWORD}
    assert secure in env
    assert PASSWORD not in [item.get("value") for item in env]


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_in_plain_text_is_refused_and_not_repeated(kind: str) -> None:
    with pytest.raises(PoolError, match="cannot have that value") as refused:
        base_job_template(kind, {"env": {"FRAMEWRIGHT_AZURE_SAS": "sv=1&sig=s3cret"}})
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("kind", ["docker", "kubernetes", "process"])
def test_a_secret_is_named_by_its_block(kind: str) -> None:
    reference = "{{ prefect.blocks.secret.media-sas }}"
    template = base_job_template(kind, {"env": {"FRAMEWRIGHT_AZURE_SAS": reference}})
    default = template["variables"]["properties"]["env"]["default"]
    assert default["FRAMEWRIGHT_AZURE_SAS"] == reference


@pytest.mark.parametrize(
    ("kind", "defaults", "message"),
    [
        ("podman", {}, "unknown kind of work pool 'podman'. Known: azure-"),
        ("kubernetes", {"gpus": 1}, "a work pool for kubernetes has no variable 'gpus'. Known: "),
        ("kubernetes", {"gpu_count": "two"}, "gpu_count cannot have that value"),
        ("azure-container-instances", {"gpu": {"count": 1}}, "gpu cannot have that value"),
    ],
)
def test_what_cannot_be_is_refused(kind: str, defaults: dict[str, Any], message: str) -> None:
    with pytest.raises(PoolError, match=message):
        base_job_template(kind, defaults)


def test_all_variables_are_known_by_name() -> None:
    assert {"gpu_count", "device_requests", "gpus", "gpu", "image", "env"} <= variable_names()
