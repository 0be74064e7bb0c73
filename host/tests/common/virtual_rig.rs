//! What a test sees of the device and its line, and does to them.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tokio::{sync::Notify, task::JoinSet, time::Instant};
use xyloop::{
    config::WiringLists,
    device::{Client, Route, StopFlag, Wanted},
};
use xyloop_protocol::{
    fault::Faults,
    link::Role,
    message::{BootCause, Counts, State},
};
use xyloop_sim::Description;

use super::{
    cable::{Cable, Cut, Speed},
    device::{self, Buses},
};

/// What the line is called in messages.
pub const PLACE: &str = "rig";

/// What both ends and the test have in common.
pub struct Shared {
    world: Mutex<World>,
    /// The device has something to look at.
    pub changed: Notify,
    /// Zero of the line's clock.
    epoch: Instant,
}

pub struct World {
    pub cable: Cable,
    /// What the next boot is.
    pub description: Arc<Description>,
    pub buses: Buses,
    /// Why the next boots come, and what was left behind before them.
    pub cause: (BootCause, String),
    /// Nobody can open the line.
    pub is_away: bool,
    pub boots: u32,
    /// As of its last poll.
    pub state: State,
    pub is_working: bool,
    /// Of all boots together.
    pub counts: Counts,
}

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// The line's clock.
    pub fn now_us(&self) -> u64 {
        self.epoch.elapsed().as_micros() as u64
    }

    /// That moment of the line's clock.
    pub fn at(&self, us: u64) -> Instant {
        self.epoch + Duration::from_micros(us)
    }
}

/// A line and the device behind it. Clones are the same one; it ends with the last of them.
#[derive(Clone)]
pub struct VirtualRig {
    pub(super) shared: Arc<Shared>,
    _device: Arc<JoinSet<()>>,
}

impl VirtualRig {
    /// Starts the device on the runtime at hand, which must run on a paused clock and one thread.
    pub fn start(description: Description) -> Self {
        Self::start_on(description, Speed::BENCH)
    }

    /// The same behind another line.
    pub fn start_on(description: Description, speed: Speed) -> Self {
        Self::start_with(description, speed, Buses::NONE)
    }

    /// The same with slow buses.
    pub fn start_with(description: Description, speed: Speed, buses: Buses) -> Self {
        let world = World {
            cable: Cable::new(speed),
            description: Arc::new(description),
            buses,
            cause: (BootCause::PowerOn, String::new()),
            is_away: false,
            boots: 0,
            state: State::Boot,
            is_working: false,
            counts: Counts::default(),
        };
        let shared = Arc::new(Shared { world: Mutex::new(world), changed: Notify::new(), epoch: Instant::now() });
        let mut device = JoinSet::new();
        device.spawn(device::run(Arc::clone(&shared)));
        Self { shared, _device: Arc::new(device) }
    }

    /// Does something to the line, and both ends look at it.
    fn on_cable<T>(&self, what: impl FnOnce(&mut Cable) -> T) -> T {
        let done = what(&mut self.shared.lock().cable);
        self.shared.changed.notify_one();
        done
    }

    /// Whole frames that arrived, at either end.
    pub fn frames(&self) -> usize {
        self.shared.lock().cable.frames()
    }

    /// What the device has done, in all its boots.
    pub fn counts(&self) -> Counts {
        self.shared.lock().counts
    }

    /// The device's state as of its last poll.
    pub fn state(&self) -> State {
        self.shared.lock().state
    }

    /// Whether it has begun something that takes more than a poll.
    pub fn is_working(&self) -> bool {
        self.shared.lock().is_working
    }

    pub fn boots(&self) -> u32 {
        self.shared.lock().boots
    }

    /// How often the line was opened.
    pub fn opened(&self) -> u64 {
        self.shared.lock().cable.connection()
    }

    /// Something goes wrong when so many more frames have arrived, and again so many frames after that.
    pub fn cut_after(&self, cuts: &[(usize, Cut)]) {
        self.on_cable(|cable| cable.cut_after(cuts));
    }

    pub fn cut_now(&self, cut: Cut) {
        self.on_cable(|cable| cable.cut(cut));
    }

    /// From now on the line does harm in both directions.
    pub fn set_faults(&self, faults: &Faults) {
        self.on_cable(|cable| cable.set_faults(faults));
    }

    /// Nothing passes, nobody notices.
    pub fn set_deaf(&self, deaf: bool) {
        self.on_cable(|cable| cable.set_deaf(deaf));
    }

    /// Nobody can open the line.
    pub fn set_away(&self, away: bool) {
        self.shared.lock().is_away = away;
    }

    /// The device is another one from its next boot on.
    pub fn replace(&self, description: Description) {
        self.shared.lock().description = Arc::new(description);
    }

    /// Its next boots come for this reason.
    pub fn boots_by(&self, cause: BootCause, note: &str) {
        self.shared.lock().cause = (cause, note.to_owned());
    }

    /// From now on, what both ends write is kept.
    pub fn record(&self) {
        self.on_cable(Cable::record);
    }

    /// What this end has written since.
    pub fn recorded(&self, sender: Role) -> Vec<u8> {
        self.on_cable(|cable| cable.recorded(sender))
    }

    /// Another mouth on the line: the other end hears it as if this one had written it.
    pub fn play(&self, sender: Role, bytes: &[u8]) {
        self.on_cable(|cable| cable.play(sender, bytes));
    }

    pub fn route(&self) -> Route {
        Route::through(self.clone(), PLACE)
    }

    pub fn wanted(&self) -> Wanted {
        wanted(&self.shared.lock().description)
    }

    /// Connected and taken over, to reconnect until the flag is set.
    pub async fn client(&self) -> (Client, StopFlag) {
        let mut client = Client::connect(self.route(), self.wanted()).await.unwrap();
        let stop = StopFlag::default();
        client.reconnect_until(stop.clone());
        client.take_over().await.unwrap();
        (client, stop)
    }
}

/// The rig of such a device.
pub fn wanted(description: &Description) -> Wanted {
    let (graph, converters) = (&description.graph, description.converters);
    Wanted {
        rig: "nine".into(),
        array: "9 sites".into(),
        wiring_hash: WiringLists::new(graph).wiring(graph.len(), converters).hash(),
        serial_number: None,
    }
}
