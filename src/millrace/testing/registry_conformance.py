"""What every :class:`~millrace.interfaces.RegistryStore` keeps to: MLflow's rules.

Subclass it and give the fixture ``registry``, a store over a fresh, empty place.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from millrace.core.errors import ConflictError, NotFoundError, UsageError
from millrace.interfaces import RegistryStore


class RegistryStoreConformance:
    """See the module."""

    def test_a_registered_model(self, registry: RegistryStore) -> None:
        made = registry.create_registered_model("churn", description="who leaves", tags={"team": "a"})
        assert registry.registered_model("churn") == made
        assert (made.description, made.tags, made.aliases, made.latest_version) == (
            "who leaves",
            {"team": "a"},
            {},
            None,
        )
        registry.create_registered_model("Churn")
        assert [m.name for m in registry.registered_models()] in (["Churn", "churn"], ["churn", "Churn"])
        with pytest.raises(ConflictError):
            registry.create_registered_model("churn")

    @pytest.mark.parametrize("name", ["", " ", "a/b", "a:b"])
    def test_names_that_no_model_has(self, registry: RegistryStore, name: str) -> None:
        with pytest.raises(UsageError):
            registry.create_registered_model(name)
        with pytest.raises(UsageError):
            registry.create_model_version(name, "/models/1")

    def test_versions_are_numbered_and_do_not_change(self, registry: RegistryStore) -> None:
        first = registry.create_model_version(
            "churn", "/models/1", run_id="f" * 32, artifact_id="a1", description="first", tags={"k": "v"}
        )
        second = registry.create_model_version("churn", "/models/2")
        other = registry.create_model_version("other", "/models/3")
        assert (first.version, second.version, other.version) == (1, 2, 1)
        assert (first.source, first.run_id, first.artifact_id, first.description, first.tags, first.status) == (
            "/models/1",
            "f" * 32,
            "a1",
            "first",
            {"k": "v"},
            "READY",
        )
        assert registry.model_version("churn", 1) == first
        assert registry.model_versions("churn") == [second, first]
        model = registry.registered_model("churn")
        assert model.latest_version == 2, "the model was made with its first version"
        assert model.last_updated_timestamp == second.creation_timestamp

    def test_aliases(self, registry: RegistryStore) -> None:
        for n in (1, 2):
            registry.create_model_version("churn", f"/models/{n}")
        registry.set_alias("churn", "champion", 1)
        registry.set_alias("churn", "shadow", 1)
        assert registry.model_version_by_alias("churn", "champion").version == 1
        assert registry.model_version("churn", 1).aliases == ("champion", "shadow")
        registry.set_alias("churn", "champion", 2)
        assert registry.registered_model("churn").aliases == {"champion": 2, "shadow": 1}
        assert registry.model_versions("churn")[0].aliases == ("champion",)
        registry.delete_alias("churn", "champion")
        registry.delete_alias("churn", "champion")
        with pytest.raises(NotFoundError):
            registry.model_version_by_alias("churn", "champion")

    @pytest.mark.parametrize("alias", ["", "v1", "V22", "latest", "Latest", "a b", "a:b", "x" * 256])
    def test_aliases_that_are_refused(self, registry: RegistryStore, alias: str) -> None:
        registry.create_model_version("churn", "/models/1")
        with pytest.raises(UsageError):
            registry.set_alias("churn", alias, 1)

    def test_what_is_not_there(self, registry: RegistryStore) -> None:
        registry.create_model_version("churn", "/models/1")
        with pytest.raises(NotFoundError, match="'churn'"):
            registry.registered_model("chrun")
        with pytest.raises(NotFoundError, match="newest version is 1"):
            registry.model_version("churn", 2)
        with pytest.raises(NotFoundError):
            registry.model_versions("none")
        with pytest.raises(NotFoundError):
            registry.set_alias("churn", "champion", 2)
        with pytest.raises(NotFoundError):
            registry.delete_alias("none", "champion")
        assert registry.registered_model("churn").aliases == {}

    def test_versions_made_at_once_have_numbers_of_their_own(self, registry: RegistryStore) -> None:
        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(lambda n: registry.create_model_version("churn", f"/models/{n}").version, range(24)))
        assert sorted(made) == list(range(1, 25))
