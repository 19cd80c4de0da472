"""The recorder writes down what a loop did, and the steppable loop does what a plain one does."""

import pytest
import torch
from torch import nn

from course_lib.data import circles, loader
from course_lib.models import MLP
from course_lib.recorder import LoopRecorder, layer_norms
from course_lib.training import Trainer, evaluate


def _parts():
    X, y = circles(20)
    model = MLP(2, 4, 2, seed=0)
    return model, torch.optim.SGD(model.parameters(), lr=0.1), loader(X, y, batch_size=10), X, y


def _train(model, batches, loss_fn, optimizer, order="FLZBS"):
    for x, y in batches:
        for beat in order:
            match beat:
                case "F":
                    predictions = model(x)
                case "L":
                    loss = loss_fn(predictions, y)
                case "Z":
                    optimizer.zero_grad()
                case "B":
                    loss.backward()
                case "S":
                    optimizer.step()


@pytest.mark.parametrize("order", ["FLZBS", "ZFLBS", "FLBS", "FLBZS", "FLZB", "SFLZB"])
def test_the_sequence_is_the_order_in_which_things_happened(order: str) -> None:
    model, optimizer, batches, _, _ = _parts()
    with LoopRecorder(model, optimizer, batches, nn.CrossEntropyLoss()) as recorder:
        _train(model, recorder.loader, recorder.loss_fn, optimizer, order)
    assert recorder.sequence == order * 2
    assert [event.batch for event in recorder.events] == [0] * len(order) + [1] * len(order)


def test_backward_has_the_gradient_norms_that_the_step_used() -> None:
    model, optimizer, batches, _, _ = _parts()
    seen = []
    optimizer.register_step_pre_hook(lambda *_: seen.append(layer_norms(model, "grad")))
    with LoopRecorder(model, optimizer, batches, nn.CrossEntropyLoss()) as recorder:
        _train(model, recorder.loader, recorder.loss_fn, optimizer)
    assert [event.grad_norms for event in recorder.of_kind("backward")] == seen
    assert set(seen[0]) == {"layers.0", "layers.2"}


def test_steps_have_the_weight_norms_after_them() -> None:
    model, optimizer, batches, _, _ = _parts()
    with LoopRecorder(model, optimizer, batches, nn.CrossEntropyLoss()) as recorder:
        _train(model, recorder.loader, recorder.loss_fn, optimizer)
    assert recorder.of_kind("step")[-1].weight_norms == layer_norms(model, "weight")


def test_the_mode_and_the_losses_are_written_down() -> None:
    model, optimizer, batches, X, y = _parts()
    model.eval()
    with LoopRecorder(model, optimizer, batches, nn.CrossEntropyLoss()) as recorder:
        expected = nn.functional.cross_entropy(model(X), y).item()
        recorder.loss_fn(model(X), y)
    assert recorder.events[0].training is False
    assert recorder.of_kind("loss")[0].value == pytest.approx(expected)


def test_clearing_through_the_model_counts_too() -> None:
    model, optimizer, _, _, _ = _parts()
    with LoopRecorder(model, optimizer) as recorder:
        model.zero_grad()
    assert recorder.sequence == "Z"


def test_a_loop_without_our_loss_function_still_shows_its_backward() -> None:
    model, optimizer, _, X, _ = _parts()
    with LoopRecorder(model, optimizer) as recorder:
        model(X).square().mean().backward()
        optimizer.step()
    assert recorder.sequence == "FBS"


def test_afterwards_nothing_of_the_recorder_is_left() -> None:
    model, optimizer, batches, _, _ = _parts()
    with LoopRecorder(model, optimizer, batches, nn.CrossEntropyLoss()) as recorder:
        pass
    _train(model, batches, nn.CrossEntropyLoss(), optimizer)
    assert recorder.events == []
    assert "zero_grad" not in vars(model)
    assert "zero_grad" not in vars(optimizer)


def test_recording_does_not_change_the_run() -> None:
    def weights(recorded: bool) -> torch.Tensor:
        model, optimizer, batches, _, _ = _parts()
        if recorded:
            with LoopRecorder(model, optimizer, batches, nn.CrossEntropyLoss()) as recorder:
                _train(model, recorder.loader, recorder.loss_fn, optimizer)
        else:
            _train(model, batches, nn.CrossEntropyLoss(), optimizer)
        return nn.utils.parameters_to_vector(model.parameters())

    assert torch.equal(weights(True), weights(False))


def _trainer(**options) -> Trainer:
    X, y = circles(20)
    model = MLP(2, 4, 2, seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    return Trainer(model, optimizer, nn.CrossEntropyLoss(), X, y, batch_size=8, **options)


def test_each_step_of_the_trainer_is_the_five_lines() -> None:
    trainer = _trainer()
    with LoopRecorder(trainer.model, trainer.optimizer) as recorder:
        trainer.run(4)
    assert recorder.sequence == "FZBS" * 4  # the loss function is not watched here
    assert trainer.epoch == 1


def test_a_restarted_run_repeats_itself() -> None:
    trainer = _trainer()
    first = trainer.run(7)
    trainer.restart()
    assert trainer.run(7) == first


def test_a_run_goes_on_from_a_checkpoint_as_if_nothing_had_happened() -> None:
    trainer = _trainer()
    trainer.run(3)  # one epoch
    checkpoint = trainer.state_dict()
    expected = trainer.run(5)
    fresh = _trainer(seed=9)
    fresh.load_state_dict(checkpoint)
    assert fresh.run(5) == expected


def test_without_clearing_gradients_add_up() -> None:
    X, y = circles(20)
    model = MLP(2, 4, 2, seed=0)
    still = torch.optim.SGD(model.parameters(), lr=0.0)
    trainer = Trainer(model, still, nn.CrossEntropyLoss(), X, y, batch_size=20, clear=False)
    norms = [record.grad_norm for record in trainer.run(3)]
    assert norms == pytest.approx([norms[0], 2 * norms[0], 3 * norms[0]])


def test_clipping_limits_what_the_step_uses_and_reports_the_norm_before() -> None:
    trainer = _trainer(max_norm=1e-3)
    record = trainer.step()
    used = torch.linalg.vector_norm(
        torch.stack([p.grad.norm() for p in trainer.model.parameters()])
    )
    assert used.item() == pytest.approx(1e-3, rel=1e-2)
    assert record.grad_norm > 1e-2


def test_evaluate_puts_the_mode_back_and_records_no_graph() -> None:
    trainer = _trainer()
    trainer.model.train()
    loss, accuracy = evaluate(trainer.model, nn.CrossEntropyLoss(), trainer.X, trainer.y)
    assert trainer.model.training
    assert loss == pytest.approx(
        nn.functional.cross_entropy(trainer.model(trainer.X), trainer.y).item()
    )
    assert 0 <= accuracy <= 1
