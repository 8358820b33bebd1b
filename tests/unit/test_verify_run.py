"""What a manifest without the times of a job says to verify."""

from __future__ import annotations

import pytest

from tests.attack import hubs

MANIFEST = "real_run/reconstruction_manifest.json"


@pytest.mark.parametrize(
    "names", [("started_at",), ("finished_at",), ("started_at", "finished_at")]
)
def test_a_job_that_succeeded_without_its_times_is_told(complete_hub, names):
    struck = hubs.load(complete_hub)

    def forget(document):
        document["execution_results"][0] |= dict.fromkeys(names) | {"elapsed_s": None}

    struck.edit(MANIFEST, forget)
    found = {(item.rule, item.pointer) for item in hubs.findings(struck)}
    assert ("hub.telemetry", "/started_at") in found
