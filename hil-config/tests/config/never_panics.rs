//! No text makes the reader panic, and every number survives the record.

use proptest::prelude::*;

use xyloop_hil_config as config;

use crate::files::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(
        cuts in proptest::collection::vec((any::<proptest::sample::Index>(), 0_usize..12, "[ -~é→\\n\\t\\r\\u{0}\u{7f}]{0,8}"), 1..4),
        in_rig: bool,
        set in "[a-z.=\\[\\]{}\"0-9é ]{0,24}",
        with_set: bool,
    ) {
        let mut text: Vec<char> = if in_rig { RIG } else { EXPERIMENT }.chars().collect();
        for (at, length, new) in cuts {
            let at = at.index(text.len() + 1);
            let end = (at + length).min(text.len());
            text.splice(at..end, new.chars());
        }
        let text: String = text.into_iter().collect();
        let files = if in_rig { Files::new(EXPERIMENT, &text) } else { Files::new(&text, RIG) };
        let sets = [set.as_str()];
        if let Err(error) = files.load(if with_set { &sets } else { &[] }) {
            prop_assert!(error.to_string().starts_with("error"), "{}", error);
        }
    }

    #[test]
    fn every_number_survives_the_record(
        beta in 0.001_f64..4.0, epsilon in 1e-300_f64..1.0, rate in 1e-12_f64..10.0, tau in 1e-6_f64..40.0, seed in 0_u64..=i64::MAX as u64,
    ) {
        let mut config = config::load(hil_config().join("xor-small.toml"), &[]).unwrap();
        config.experiment.train.nudge.beta = beta;
        config.experiment.train.optimiser.epsilon = Some(epsilon);
        config.experiment.train.optimiser.rate = rate;
        config.experiment.train.seed = seed;
        config.rig.timing.tau_us = tau;
        prop_assert_eq!(&config::from_resolved(&config.to_toml().unwrap()).unwrap(), &config);
    }
}
