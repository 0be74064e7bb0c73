//! The wiring fingerprint tells every two wirings apart.

use xyloop_protocol::wiring::{Converters, Wiring};
use xyloop_testbench::CONVERTERS;

#[test]
fn every_part_of_the_wiring_counts() {
    let base = Wiring { sites: 4, couplings: &[(0, 1), (1, 2)], inputs: &[0], outputs: &[3], converters: CONVERTERS };
    let others = [
        Wiring { sites: 5, ..base },
        Wiring { couplings: &[(0, 1), (1, 3)], ..base },
        Wiring { couplings: &[(1, 2), (0, 1)], ..base },
        Wiring { inputs: &[], outputs: &[0, 3], ..base },
        Wiring { outputs: &[2], ..base },
        Wiring { converters: Converters { iq_bits: 12, ..CONVERTERS }, ..base },
        Wiring { converters: Converters { field_range_micro: 1, ..CONVERTERS }, ..base },
    ];
    for other in others {
        assert_ne!(base.hash(), other.hash(), "{other:?}");
    }
}
