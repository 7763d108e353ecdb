"""Questions that one set of arms over one source asks: a subclass names its arms.

In: the arms, words and pairs of the question. Out: its study, and answers about pairs of arms.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from seedbed.trials.results import Results
from seedbed.trials.study import Study
from seedbed.verdicts.answer import Answer
from seedbed.verdicts.families import answer_families
from seedbed.verdicts.pairs import Pair, with_controls
from seedbed.verdicts.questions import Question
from seedbed.verdicts.questions.arm_names import name_with_classes
from seedbed.verdicts.questions.source_summary import SourceSummary, summarise_source
from seedbed.verdicts.questions.study_builder import (
    BUDGETS,
    PROBE,
    CommentedArm,
    Method,
    StudyBuilder,
    one_source,
)


class ArmsQuestion(Question):
    """A question whose arms are the same for every source.

    Attributes:
        name: as it is registered.
        words: the question in words, the first comment of the study.
        reference: the arm that the others are compared with.
        budgets: of each training, in images seen.
        comments: of the study file, by setting.
    """

    name: ClassVar[str]
    words: ClassVar[str]
    reference: ClassVar[str]
    arms: ClassVar[Sequence[CommentedArm]] = ()
    methods: ClassVar[Sequence[Method]] = (PROBE,)
    fine_labels: ClassVar[bool] = False
    budgets: ClassVar[Sequence[int]] = BUDGETS
    num_seeds: ClassVar[int] = 3
    comments: ClassVar[Mapping[str, str]] = {}

    def study(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        backbones: Sequence[str] = (),
        folder: Path = Path(),
    ) -> Study:
        return self._builder(sources, targets, backbones, folder).build()

    def _builder(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        backbones: Sequence[str],
        folder: Path,
    ) -> StudyBuilder:
        return StudyBuilder(
            question=self.name,
            words=self.words,
            reference=self.reference,
            arms=self.arms,
            sources=sources,
            targets=targets,
            backbones=backbones,
            folder=folder,
            methods=self.methods,
            fine_labels=self.fine_labels,
            budgets=self.budgets,
            num_seeds=self.num_seeds,
            comments=self.comments,
        )

    def answer(self, results: Results) -> list[Answer]:
        return answer_families(
            results, self.name, lambda arm: self.describe(results, arm), self.pairs
        )

    def describe(self, results: Results, arm: str) -> str | None:
        """An arm in the sentences of an answer; None for its name alone."""
        return name_with_classes(results, arm)

    def pairs(self, study: Study, target: str) -> list[Pair]:
        """The pairs of arms that are compared on a target."""
        return with_controls(study, target)


class FittedArmsQuestion(ArmsQuestion):
    """A question whose arms depend on the source: on its classes, sizes or hierarchy.

    `needs_hierarchy`: whether a source without a hierarchy is refused.
    """

    needs_hierarchy: ClassVar[bool] = False
    extra_targets: ClassVar[Mapping[str, str]] = {}

    @abstractmethod
    def fitted_arms(self, source: SourceSummary) -> Sequence[CommentedArm]:
        """The arms for a source; raises UsageError where it allows none."""

    def study(
        self,
        sources: Sequence[str],
        targets: Sequence[str],
        backbones: Sequence[str] = (),
        folder: Path = Path(),
    ) -> Study:
        summary = summarise_source(one_source(self.name, sources), folder)
        if self.needs_hierarchy:
            summary.require_hierarchy(self.name)
        builder = replace(
            self._builder(sources, targets, backbones, folder),
            arms=self.fitted_arms(summary),
            summary=summary,
            extra_targets=self.extra_targets,
        )
        return builder.build()
