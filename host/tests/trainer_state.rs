//! A trainer's state, written and read back at any step: training goes on bit by bit as it would have without.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{path::Path, sync::Arc};

use xyloop::{
    config,
    device::{Client, StopFlag},
    rig::wanted,
    run::Prepared,
    train::{TrainError, Trainer, TrainerState, shots::ShotRunner},
};

/// Settings of an experiment in `hil-config/`.
fn prepared(experiment: &str, settings: &[&str]) -> Prepared {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hil-config").join(experiment);
    let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
    Prepared::training(config::load(&file, &settings).unwrap()).unwrap()
}

/// Its device, started anew.
async fn device(prepared: &Prepared) -> Client {
    let wanted = wanted(&prepared.config().rig, &prepared.problem().array);
    Client::connect(prepared.route().unwrap(), wanted).await.unwrap()
}

fn runner(client: &mut Client) -> ShotRunner<'_> {
    ShotRunner { client, log: None, batch_shots: 0, stop: StopFlag::default() }
}

/// Trains so many steps in one go, and again with the state written and read back before each, every few of them on a
/// device of its own; the states must be the same after each.
async fn goes_on_the_same(experiment: &str, settings: &[&str], steps: usize) {
    let prepared = prepared(experiment, settings);
    let problem = Arc::new(prepared.problem().clone());
    let mut client = device(&prepared).await;
    let mut trainer = Trainer::new(problem.clone()).unwrap();
    let mut states = vec![postcard::to_allocvec(trainer.state()).unwrap()];
    for _ in 0..steps {
        trainer.step(&mut runner(&mut client)).await.unwrap().unwrap();
        states.push(postcard::to_allocvec(trainer.state()).unwrap());
    }
    client.close().await;

    let mut client = device(&prepared).await;
    for (step, pair) in states.windows(2).enumerate() {
        if step % 4 == 3 {
            client.close().await;
            client = device(&prepared).await;
        }
        let state: TrainerState = postcard::from_bytes(&pair[0]).unwrap();
        let mut trainer = Trainer::resume(problem.clone(), state).unwrap();
        trainer.step(&mut runner(&mut client)).await.unwrap().unwrap();
        let state = postcard::to_allocvec(trainer.state()).unwrap();
        assert!(state == pair[1], "{experiment} {settings:?}: another state after step {}", step + 1);
    }
    client.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn written_and_read_back_at_any_step_training_goes_on_bit_by_bit() {
    goes_on_the_same("xor-small.toml", &[], 9).await;
    // In the middle of an epoch, in another order every epoch, with noise.
    goes_on_the_same("iris.toml", &["train.batch=40", "rig.plant.iq_noise=0.001", "settle.tolerance_rad=0.02"], 8)
        .await;
    let all_draws = ["train.batch=3", "train.nudge.mode=random-sign", "train.optimiser.fields=polar"];
    goes_on_the_same("xor-small.toml", &all_draws, 9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_in_the_middle_of_a_step_leaves_the_state_before_it() {
    let prepared = prepared("xor-small.toml", &[]);
    let mut client = device(&prepared).await;
    let mut trainer = Trainer::new(Arc::new(prepared.problem().clone())).unwrap();
    trainer.step(&mut runner(&mut client)).await.unwrap().unwrap();
    let before = trainer.state().clone();
    let stop = StopFlag::default();
    stop.set();
    let mut stopped = ShotRunner { client: &mut client, log: None, batch_shots: 0, stop };
    assert!(trainer.step(&mut stopped).await.unwrap().is_none());
    assert_eq!(*trainer.state(), before);
    client.close().await;
}

#[test]
fn a_state_of_another_experiment_is_refused() {
    let problem = |experiment: &str, settings: &[&str]| Arc::new(prepared(experiment, settings).problem().clone());
    let state = Trainer::new(problem("xor-small.toml", &[])).unwrap().state().clone();
    let refused = |problem, state| match Trainer::resume(problem, state) {
        Err(error @ TrainError::OtherState { .. }) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("taken"),
    };
    assert!(refused(problem("xor.toml", &[]), state.clone()).contains("couplings"));
    let polar = problem("xor-small.toml", &["train.optimiser.fields=polar"]);
    assert!(refused(polar, state.clone()).contains("Polar"));
    let mut odd = state.clone();
    odd.moments.second[1].pop();
    assert!(refused(problem("xor-small.toml", &[]), odd).contains("sites"));
    let mut late = state;
    late.epoch.steps = 7;
    assert!(refused(problem("xor-small.toml", &[]), late).contains("into an epoch of 1"));
}
