"""A coverage policy: periods, classes of areas and roads, and the share that each has to reach."""

from __future__ import annotations

import datetime
import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from targets.errors import Problem, TargetsError, suggestion

Share = Annotated[float, Field(ge=0, le=1, strict=True, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]
Kind = Literal["area", "line"]
Judge = Literal["median", "probable", "expected"]
KIND_OF_MEASURE = {"area": "area", "population": "area", "length": "line"}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Period(_Model):
    """A span of time that ends on `end`; sites in service by then count."""

    id: Text
    end: Annotated[datetime.date, Field(strict=True)]
    label: str = ""
    label_zh: str = ""


class PolicyClass(_Model):
    """A class of areas or lines; `members` are the classes in the data that it stands for, by default
    itself."""

    id: Text
    label: str = ""
    label_zh: str = ""
    kind: Kind
    members: list[Text] = []
    member_labels: dict[str, str] = {}
    member_labels_zh: dict[str, str] = {}

    def data_classes(self) -> list[str]:
        """The class names that features of this class carry in the data."""
        return self.members or [self.id]

    def text(self, lang: str = "en", member: str = "") -> str:
        """Label of the class, or of one of its members, in "en" or "zh"; the id where there is none."""
        if member:
            labels = self.member_labels_zh if lang == "zh" else self.member_labels
            return labels.get(member) or self.member_labels.get(member) or member
        return (self.label_zh if lang == "zh" else self.label) or self.label or self.id


class Target(_Model):
    """The share (0..1) of the area, the people or the length of a class that a service has to cover, for each
    period."""

    class_: Annotated[str, Field(alias="class", min_length=1)]
    measure: Literal["area", "population", "length"]
    service: Text
    share: dict[str, Share]


STANDARD_CLASSES = [
    PolicyClass(id="key", label="Key areas", label_zh="重点区域", kind="area"),
    PolicyClass(id="urban", label="Urban areas", label_zh="城区", kind="area"),
    PolicyClass(id="suburban", label="Suburban areas", label_zh="郊区", kind="area"),
    PolicyClass(
        id="highway",
        label="Highways",
        label_zh="公路",
        kind="line",
        members=["motorway", "national", "provincial"],
        member_labels={
            "motorway": "Motorways",
            "national": "National roads",
            "provincial": "Provincial roads",
        },
        member_labels_zh={"motorway": "高速公路", "national": "国道", "provincial": "省道"},
    ),
]


class Policy(_Model):
    """What has to be covered and by when. Area classes stand in order of precedence, highest first.

    judge: which of the three shares decides `met`; tunnels: whether roads in tunnels are in the length;
    full_share: what stands for 100 % where a share is estimated, because no estimate ever reaches it.
    """

    id: Text
    name: Text
    name_zh: str = ""
    source: str = ""
    judge: Judge = "expected"
    tunnels: Literal["count", "leave-out"] = "count"
    full_share: Annotated[float, Field(ge=0.9, lt=1, strict=True)] = 0.99
    classes: list[PolicyClass] = STANDARD_CLASSES
    periods: Annotated[list[Period], Field(min_length=1)]
    targets: Annotated[list[Target], Field(min_length=1)]

    @model_validator(mode="after")
    def _whole(self) -> Policy:
        found = list(_cross_check(self))
        if found:
            raise PydanticCustomError(
                "policy", "{text}", {"text": "; ".join(f[1] for f in found), "found": found}
            )
        return self

    def period(self, period_id: str) -> Period:
        """The period of that id; TargetsError where the policy has none."""
        for period in self.periods:
            if period.id == str(period_id):
                return period
        ids = [p.id for p in self.periods]
        problem = Problem(
            f"policy {self.id}", "", f"has no period {str(period_id)!r}", "it has " + ", ".join(ids)
        )
        raise TargetsError(problem)

    def policy_class(self, class_id: str) -> PolicyClass:
        """The class of that id, KeyError where there is none."""
        return {c.id: c for c in self.classes}[class_id]

    def data_classes(self, kind: Kind) -> list[str]:
        """Class names that area files ("area") or road files ("line") may use, in order of precedence."""
        return [name for c in self.classes if c.kind == kind for name in c.data_classes()]

    def provable(self, share: float) -> float:
        """The share that stands for a required one where it is estimated: `full_share` for more than that."""
        return min(share, self.full_share)

    def required(self, target: Target, period_id: str) -> float | None:
        """Share that `target` requires at the end of a period: its own, else that of the latest period before
        it that has one (what was reached has to be kept); None where nothing is required yet."""
        share = None
        for period in self.periods:
            share = target.share.get(period.id, share)
            if period.id == str(period_id):
                return share
        self.period(period_id)
        raise AssertionError("unreachable")


def _cross_check(policy: Policy):
    """Yield (location, message, remedy) for what no single field can know."""
    for part, names in (
        ("periods", [p.id for p in policy.periods]),
        ("classes", [c.id for c in policy.classes]),
    ):
        for i, name in enumerate(names):
            if name in names[:i]:
                yield (part, i, "id"), f"id {name!r} appears twice", "every id may appear once"
    for i, period in enumerate(policy.periods):
        if not re.fullmatch(r"\w[\w-]*", period.id):  # it becomes the name of a folder
            yield (
                ("periods", i, "id"),
                f"id {period.id!r} has other signs than letters, digits, - and _",
                'for example id = "2017"',
            )
    ends = [p.end for p in policy.periods]
    for i in range(1, len(ends)):
        if ends[i] <= ends[i - 1]:
            yield (
                ("periods", i, "end"),
                f"period {policy.periods[i].id!r} ends on {ends[i]}, not after the period before it",
                "put the periods in the order of their ends",
            )
    owner: dict[str, str] = {}
    for i, c in enumerate(policy.classes):
        for name in c.data_classes():
            if name in owner:
                yield (
                    ("classes", i, "members"),
                    f"{name!r} is in class {owner[name]!r} and again in class {c.id!r}",
                    "a class in the data belongs to one class of the policy",
                )
            owner.setdefault(name, c.id)
        for key in ("member_labels", "member_labels_zh"):
            for name in getattr(c, key):
                if name not in c.data_classes():
                    yield ("classes", i, key), f"{name!r} is not a member", suggestion(name, c.members)
    periods = [p.id for p in policy.periods]
    kinds = {c.id: c.kind for c in policy.classes}
    seen = set()
    for i, target in enumerate(policy.targets):
        if target.class_ not in kinds:
            yield (
                ("targets", i, "class"),
                f"unknown class {target.class_!r}",
                suggestion(target.class_, kinds),
            )
        elif KIND_OF_MEASURE[target.measure] != kinds[target.class_]:
            right = {"area": "area", "line": "length"}[kinds[target.class_]]
            yield (
                ("targets", i, "measure"),
                f"class {target.class_!r} is of kind {kinds[target.class_]!r} and has no {target.measure}",
                f'measure = "{right}"',
            )
        for name in target.share:
            if name not in periods:
                yield ("targets", i, "share"), f"unknown period {name!r}", suggestion(name, periods)
        if not target.share:
            yield ("targets", i, "share"), "no share for any period", "for example share = { 2017 = 0.90 }"
        key = (target.class_, target.measure, target.service)
        if key in seen:
            yield (
                ("targets", i, "class"),
                f"a second target for class {key[0]!r} and service {key[2]!r}",
                "put all its periods in one target",
            )
        seen.add(key)


def built_in_policies() -> list[str]:
    """Names of the policies that come with the software."""
    folder = resources.files("targets").joinpath("policies")
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))


def load_policy(name_or_path: str | Path) -> Policy:
    """A policy by built-in name ("liaoning") or from a TOML file; TargetsError has every problem found."""
    name = str(name_or_path)
    if isinstance(name_or_path, str) and not name.endswith(".toml") and not re.search(r"[\\/]", name):
        names = built_in_policies()
        if name not in names:
            raise TargetsError(
                Problem(
                    "policy",
                    "",
                    f"no built-in policy {name!r}",
                    suggestion(name, names) + " A file of your own is named with its .toml ending",
                )
            )
        raw = resources.files("targets").joinpath("policies", name + ".toml").read_bytes()
    else:
        try:
            raw = Path(name_or_path).read_bytes()
        except OSError as error:
            reason = error.strerror or str(error)
            raise TargetsError(Problem(name, "", f"cannot be read: {reason}", "")) from None
    return parse_policy(raw, name)


def parse_policy(raw: bytes, file: str = "policy") -> Policy:
    """A policy from the bytes of a TOML file; `file` is the name used in errors (TargetsError)."""
    try:
        text = raw.decode("utf-8-sig")
        data = tomllib.loads(text)
    except UnicodeDecodeError:
        raise TargetsError(
            Problem(file, "", "is not UTF-8 text", "save it with the encoding UTF-8")
        ) from None
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        at = re.search(r"\(at line (\d+)", message)
        where = f"line {at[1]}" if at else "end of the file" if "end of document" in message else ""
        message = "is not valid TOML: " + re.sub(r" \(at .*\)$", "", message)
        raise TargetsError(Problem(file, where, message, "")) from None
    try:
        return Policy.model_validate(data)
    except ValidationError as error:
        problems = [p for item in error.errors() for p in _problems_of(item, file, text)]
        raise TargetsError(problems) from None


_MODEL_AT = {"periods": Period, "classes": PolicyClass, "targets": Target}


def _problems_of(item: dict[str, Any], file: str, text: str):
    """Problems in our own words from one error of pydantic."""
    if item["type"] == "policy":
        for loc, message, remedy in item["ctx"]["found"]:
            yield Problem(file, _where(text, loc), message, remedy)
        return
    loc = tuple(item["loc"])
    key, value, kind = str(loc[-1]) if loc else "", item.get("input"), item["type"]
    message, remedy = item["msg"][:1].lower() + item["msg"][1:], ""
    if kind == "extra_forbidden":
        model = _MODEL_AT.get(str(loc[0]), Policy) if len(loc) > 1 else Policy
        known = [f.alias or name for name, f in model.model_fields.items()]
        message, remedy = f"unknown key {key!r}", suggestion(key, known)
    elif kind == "missing":
        message, remedy = f"key {key!r} is missing", f"add {key} = ..."
    elif key == "full_share":
        message, remedy = f"full_share is {value!r}", "a share from 0.9 up to, not including, 1"
    elif "share" in loc and isinstance(value, int | float) and not isinstance(value, bool):
        if kind == "less_than_equal":
            message = f"a share of {value:g} is {100 * value:g} %, more than 100 %"
            remedy = f"write {value / 100:g} for {value:g} %" if value > 2 else "shares lie between 0 and 1"
        else:
            message, remedy = f"a share of {value:g} is not possible", "shares lie between 0 and 1"
    elif kind == "literal_error":
        message = f"{key} is {value!r}"
        remedy = f"possible: {item['ctx']['expected']}"
    elif key:
        message = f"{key} is {value!r}: {message}"
    yield Problem(file, _where(text, loc), message, remedy)


def _where(text: str, loc: tuple) -> str:
    """Line of the TOML text and dotted key for a location such as ("targets", 1, "share", "2017").

    The line is that of the innermost key or [[table]] found by reading the lines; 0-based places in lists
    become 1-based for people.
    """
    dotted = "".join(f" {part + 1}" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
    lines = text.splitlines()
    start, stop, found = 0, len(lines), None
    for depth, part in enumerate(loc):
        if isinstance(part, int):
            header = re.compile(rf"\s*\[\[\s*[\"']?{re.escape(str(loc[depth - 1]))}[\"']?\s*\]\]")
            heads = [i for i, line in enumerate(lines) if header.match(line)]
            if part < len(heads):
                found = start = heads[part]
                later = (i for i in range(start + 1, len(lines)) if re.match(r"\s*\[", lines[i]))
                start, stop = start + 1, next(later, len(lines))
            continue
        name = rf"[\"']?{re.escape(str(part))}[\"']?"
        pattern = re.compile(rf"\s*{name}\s*=|\s*\[\s*{name}\s*\]")
        found = next((i for i in range(start, stop) if pattern.match(lines[i])), found)
    return f"line {found + 1}, {dotted}" if found is not None else dotted
