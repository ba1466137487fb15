"""The steps of a check in their order: over one connection, few commands, each step told as soon as it is known."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from launcher.checking import connecting, nodes, rundir, scheduling, software, survey
from launcher.checking.doors import knock
from launcher.checking.model import WAY_IN, Outcome, blocker, failed_by, ok, skipped
from launcher.cluster import Cluster
from launcher.discovery import probes
from launcher.discovery.probes import Section
from launcher.errors import ConnectError, SpringlineError
from launcher.needed import floors
from launcher.transports.base import Asker, Tcp, Transport
from launcher.tunnels.tunnel import LOOPBACK

Told = Callable[[Outcome], None]
SURVEY_SECONDS = 400.0  # for all questions together; each has a limit of its own
LATE = Section(probes.NOT_ENDED, ())
ON_LOGIN = ("internet", "room")


@dataclass
class Noticing:
    """An asker that remembers whether a host key had to be confirmed."""

    asked: bool = False

    def asker(self, ask: Asker) -> Asker:
        """The same asker, listened to."""

        def confirm(question: str) -> bool:
            self.asked = True
            return ask.confirm(question)

        return replace(ask, confirm=confirm)


class Check:
    """What is known so far of one platform. `told` hears every outcome; `private` is what a report must not say."""

    def __init__(self, cluster: Cluster, noticing: Noticing, told: Told) -> None:
        self.outcomes: list[Outcome] = []
        said = {cluster.platform.user: "<user>", cluster.platform.resources.account: "<account>"}
        self.private = {word: placeholder for word, placeholder in said.items() if word}
        self.cluster = cluster
        self.platform = cluster.platform
        self.transport: Transport = cluster.transport
        self._noticing = noticing
        self._told = told
        self._hello: dict[str, str] = {}
        self.needed, self.here = floors(), software.here()
        self.there: dict[str, str] = {}

    @property
    def has_queue(self) -> bool:
        """False where a session is a process of the host itself."""
        return self.cluster.scheduler.name != "local"

    def add(self, outcome: Outcome) -> None:
        """Take an outcome down and tell it."""
        self.outcomes.append(outcome)
        self._told(outcome)

    def step(self, step: str, needs: tuple[str, ...], look: Callable[[], Outcome]) -> None:
        """Make a step, unless one that it needs could not be made."""
        why = blocker(self.outcomes, needs)
        self.add(skipped(step, why) if why else look())

    def login(self) -> None:
        """Everything but compute nodes."""
        if not self.transport.is_here:
            self._connect()
        answers, clock = self._questions()
        self.step("run-dir", ("shell",), lambda: self._run_dir(answers))
        if self.has_queue:
            self._scheduler(answers)
        self.step("python", ("shell",), lambda: self._python(answers))
        if not self.transport.is_here:
            self.step("forwarding", ("shell",), self._forwarding)
        self.step("internet", ("shell",), lambda: self._internet(answers))
        if not self.transport.is_here:
            self.step("clock", ("shell",), lambda: connecting.clock("clock", *clock))

    def _connect(self) -> None:
        """Open the connection; one error tells how far it got."""
        began, error = time.monotonic(), None
        try:
            self.transport.open()
        except SpringlineError as caught:
            error = caught
        seconds = time.monotonic() - began
        asked, port = self._noticing.asked, self.platform.port
        for outcome in connecting.way_in(error, self.transport.label, seconds, asked=asked, port=port):
            self.add(outcome)
        for step in WAY_IN[len(self.outcomes) :]:
            self.step(step, WAY_IN, lambda: ok("login", ""))

    def _questions(self) -> tuple[Mapping[str, Section], tuple[float, float, float]]:
        """Two commands: one that says hello, and one with all questions. The shell is what they come through."""
        if why := blocker(self.outcomes, WAY_IN):
            self.add(skipped("shell", why))
            return {}, (0, 0, 0)
        before, began = time.time(), time.monotonic()
        try:
            answer = self.transport.run(connecting.HELLO)
            seconds = time.monotonic() - began
            self._hello = connecting.values(answer)
            self._remember_names()
            found = self._ask(self._all_questions(answer.noise))
        except ConnectError as error:
            self.add(failed_by("shell", error) if self._hello else connecting.no_shell(error))
            return {}, (0, 0, 0)
        places = connecting.places(found.get("noise", LATE).lines, self._hello.get("home", ""))
        self.add(connecting.shell(self._hello, answer.noise, places, seconds))
        theirs = float(self._hello.get("clock") or before)
        return found, (theirs, before + seconds / 2, seconds / 2)

    def _all_questions(self, noise: str) -> dict[str, str]:
        asked = {
            "noise": connecting.noise_script(noise),
            "run-dir": rundir.question(self.platform),
            "python": software.question(self.platform),
            "probes": probes.script(ON_LOGIN, directories=[self.platform.run_dir]),
        }
        return {**asked, **({"scheduler": scheduling.question(self.cluster.scheduler)} if self.has_queue else {})}

    def _ask(self, questions: Mapping[str, str]) -> Mapping[str, Section]:
        return probes.sections(self.transport.run(survey.script(questions), timeout=SURVEY_SECONDS).text)

    def _remember_names(self) -> None:
        for key, placeholder in (("user", "<user>"), ("home", "<home>")):
            if self._hello.get(key):
                self.private[self._hello[key]] = placeholder

    def _probe(self, answers: Mapping[str, Section], name: str) -> Section:
        return probes.sections("\n".join(answers.get("probes", LATE).lines)).get(name, LATE)

    def _run_dir(self, answers: Mapping[str, Section]) -> Outcome:
        quota = [row[0] for row in self._probe(answers, "room").rows("quota")]
        return rundir.outcome(self.platform, answers.get("run-dir", LATE), quota)

    def _scheduler(self, answers: Mapping[str, Section]) -> None:
        """Only one that answers is asked about jobs: its commands wait long for one that is gone."""
        scheduler, label = self.cluster.scheduler, self.transport.label
        there = answers.get("scheduler", LATE)
        self.step("scheduler", ("shell",), lambda: scheduling.outcome(self.platform, scheduler, there, label))
        wished, now = scheduling.limits(self.platform), self._hello.get("now", "")
        if why := blocker(self.outcomes, ("scheduler",)):
            for name in wished:
                self.add(skipped(name, why))
            return
        try:
            found = self._ask({name: scheduler.test_command(resources) for name, resources in wished.items()})
        except ConnectError as error:
            for name in wished:
                self.add(failed_by(name, error))
            return
        for name, resources in wished.items():
            self.add(scheduling.limits_outcome(name, scheduler, resources, found.get(name, LATE), now))

    def _python(self, answers: Mapping[str, Section]) -> Outcome:
        section = answers.get("python", LATE)
        if found := software.read(section.lines):
            self.there = {"python": found.version, **found.packages}
        return software.outcome("python", self.platform, section, self.needed, self.here)

    def _forwarding(self) -> Outcome:
        """Through sshd back to itself, which says hello to everybody."""
        words = self._hello.get("ssh", "").split()
        address, port = (words[2], int(words[3])) if len(words) == 4 else (LOOPBACK, 22)
        return connecting.forwarding(self.transport.label, knock(self.transport, Tcp(address, port), "SSH-").error)

    def _internet(self, answers: Mapping[str, Section]) -> Outcome:
        rows = self._probe(answers, "internet").rows("pypi")
        return nodes.internet("internet", "" if not rows or rows[0][0] == "ok" else rows[0][1], known=bool(rows))
