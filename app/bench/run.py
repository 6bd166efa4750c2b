"""What `jari bench` runs, part after part."""

from collections.abc import Callable, Collection

from app.bench import batch, memory, recall, timing
from app.bench.report import Report, new_report

RECALL_SCENES = {12: 4, 24: 2, 50: 1}  # by megapixels


def run(parts: Collection[str], *, rounds: int, most_megapixels: float, photos: int, seed: int, say: Callable[[str], None]) -> Report:
    """Measure these parts on scenes of at most so many megapixels. photos: how many endurance checks. say: told what comes next."""
    report = new_report()
    cases = [case for case in timing.CASES if case.megapixels <= most_megapixels]
    if "timing" in parts:
        for case in cases:
            say(f"timing: {case.name}, {case.megapixels:g} MP, {case.hands} hands")
            scene = case.scene(seed)
            report.timings.append(timing.time_case(case, scene, rounds))
            report.memory.append(memory.measure([scene.data]))
    if "workers" in parts:
        case = [case for case in cases if case.megapixels <= 12][-1]
        say(f"workers: {case.megapixels:g} MP, {case.hands} hands")
        report.throughput = timing.time_workers(case.scene(seed), 2 * max(4, rounds), rounds)
    if "batch" in parts:
        for kind in batch.KINDS:
            if kind.megapixels <= most_megapixels:
                say(f"batch: {kind.count} photos, {kind.name}, {kind.megapixels:g} MP")
                report.batches.append(batch.time_batch(kind, seed, rounds))
    if "recall" in parts:
        finders = recall.finders(recall.FINDERS)
        for megapixels, scenes in RECALL_SCENES.items():
            if megapixels <= most_megapixels:
                say(f"recall: {scenes} scenes of {megapixels} MP")
                report.recall[str(megapixels)] = recall.measure(recall.compose_some(scenes, megapixels, seed), finders)
    if "endurance" in parts:
        say(f"endurance: {photos} photos")
        small = [case for case in cases if case.megapixels <= 2]
        mix = [case.scene(seed + i).data for i in range(3) for case in small]
        mix.append(cases[-1].scene(seed).data)  # large ones are rare among uploads
        report.endurance = memory.measure(mix, max(1, photos // len(mix)))
    return report
