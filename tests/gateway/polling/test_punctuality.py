from gateway.polling.punctuality import fire_wait_ms, line_times, missed
from tests.support.gateway import FIRE, Bench, device_of, profile_of


async def test_a_line_that_keeps_its_times_has_missed_nothing():
    bench = Bench(device_of("panel", FIRE), device_of("m", profile_of({"p": "alarm"})))
    await bench.run(60)
    assert missed([bench.poller]) == {}
    wait = fire_wait_ms([bench.poller])
    assert wait is not None
    assert wait <= 20


async def test_what_comes_late_is_counted_by_class():
    bench = Bench(*(device_of(f"d{n}", profile_of({"p": "alarm"}), periods={"alarm": 0.5}) for n in range(4)))
    bench.wire.cost = 0.4
    await bench.run(60)
    found = missed([bench.poller])
    assert set(found) == {"alarm"}
    assert found["alarm"] > 10
    assert fire_wait_ms([bench.poller]) is None


async def test_the_metrics_tell_where_the_time_went():
    bench = Bench(device_of("panel", FIRE), device_of("m", profile_of({"p": "routine"})))
    await bench.run(60)
    late, spent, wait = line_times([bench.poller])
    by_class = {sample.labels["class"]: sample.value for sample in spent.samples}
    assert 1.1 <= by_class["fire"] <= 1.3
    assert 0.1 <= by_class["routine"] <= 0.14
    assert {sample.value for sample in late.samples} == {0}
    assert [sample.labels for sample in wait.samples] == [{"line": "l"}]
