#![allow(clippy::unwrap_used)]
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use std::num::NonZeroUsize;
use std::time::Instant;
use xyloop_lattice::*;
fn main() {
    for (name, geometry, std) in [("4nsq", Geometry::preset(Preset::FourthSq, 15, 15), 0.072), ("sq", Geometry::preset(Preset::Sq, 15, 15), 0.145)] {
        let graph = Graph::new(&geometry).unwrap().with_terminals(&[110, 114], &[112]).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let weight = Normal::new(0.0, std).unwrap();
        let field = Normal::new(0.0, 0.3).unwrap();
        let shift = Normal::new(0.0, 0.003).unwrap();
        let mut w: Vec<f64> = graph.couplings().iter().map(|_| weight.sample(&mut rng)).collect();
        let mut bx: Vec<f64> = (0..225).map(|_| field.sample(&mut rng)).collect();
        let mut by: Vec<f64> = (0..225).map(|_| field.sample(&mut rng)).collect();
        let mut network = Network::new(&graph);
        network.set_couplings(&w);
        let mut batch = Batch::new(&network, 4);
        let hp = std::f64::consts::FRAC_PI_2;
        let targets = [-hp, hp, hp, -hp];
        for k in 0..4 {
            batch.set_fields(k, &bx, &by);
            batch.clamp(k, 0, if k & 1 == 0 { -hp } else { hp });
            batch.clamp(k, 1, if k & 2 == 0 { -hp } else { hp });
            let p: Vec<f64> = (0..225).map(|_| rng.random_range(-3.1..3.1)).collect();
            batch.set_phases(k, &p);
        }
        let one = NonZeroUsize::MIN;
        let start = Instant::now();
        let r = batch.settle(&network, &twin::Twin::default(), one);
        println!("{name} cold {:?} passes {:?}", start.elapsed(), r.iter().map(|r| r.passes).collect::<Vec<_>>());
        for nudge in [step::Nudge::Symmetric { beta: 0.03 }, step::Nudge::LinearResponse] {
            let step = Step { nudge, cost: Cost::Log, clip: 0.1, follow: Follow { residual: 1e-6, chord_gain: std::env::args().nth(1).map_or(0.3, |g| g.parse().unwrap()), ..Follow::default() } };
            let mut times = Vec::new();
            let mut stats = (0, 0);
            for _ in 0..200 {
                for x in w.iter_mut().chain(&mut bx).chain(&mut by) { *x += shift.sample(&mut rng) * 1.0; }
                network.set_couplings(&w);
                for k in 0..4 { batch.set_fields(k, &bx, &by); }
                if std::env::args().nth(2).is_some() {
                    let r = batch.settle(&network, &step.follow, one);
                    eprintln!("{:?}", r.iter().map(|r| (r.passes, r.factorisations, r.steps)).collect::<Vec<_>>());
                }
                let start = Instant::now();
                let out = step.run(&network, &mut batch, &step.follow, &targets, one);
                times.push(start.elapsed().as_secs_f64() * 1e3);
                stats.0 += out.counted; 
                stats.1 = stats.1.max((out.moved_rad * 1e6) as usize);
            }
            let reports = batch.settle(&network, &step.follow, one);
            times.sort_by(f64::total_cmp);
            println!("{name} {nudge:?}: median {:.3} ms, p10 {:.3}, max {:.3}; counted {} moved {} {:?}", times[100], times[20], times[199], stats.0, stats.1, reports[0].passes);
        }
    }
}
