"""What happened in a campaign, for its assertions and for whoever reads the output."""

from collections import Counter
from dataclasses import dataclass, field

from tests.processes.checker import Verdict

MOST_SHOWN = 40


@dataclass
class Report:
    """Counts by name; `verdict` holds everything that is wrong."""

    seed: int
    hires: int
    messages: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    deliveries: Counter[str] = field(default_factory=Counter)
    dead_letters: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    verdict: Verdict = field(default_factory=Verdict)

    @property
    def killed(self) -> int:
        """How many processes ended before their time: by SIGKILL, or by the platform at their time limit."""
        return self.kills.total() + self.endings["timed out"]

    def __str__(self) -> str:
        lines = [f"seed {self.seed}: {self.hires} hires in {self.messages} messages, {self.killed} processes killed"]
        lines += [
            f"  {name}: {_told(counts)}"
            for name, counts in (
                ("killed", self.kills),
                ("connections", self.broken),
                ("provider answers", self.answers),
                ("invocations", self.endings),
                ("deliveries", self.deliveries),
                ("rows", self.verdict.states),
                ("origins", self.verdict.origins),
            )
        ]
        lines.append(f"  dead letters moved back: {self.dead_letters}")
        lines.append(f"  seconds: {', '.join(f'{name} {value:.0f}' for name, value in self.seconds.items())}")
        lines += [f"  PROBLEM: {problem}" for problem in self.verdict.problems[:MOST_SHOWN]]
        return "\n".join(lines)


def _told(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "none"
