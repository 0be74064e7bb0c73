//! An evaluation, printed for people: by `train` at its end, by `eval`.

use xyloop::{task::Task, train::Evaluation};

/// Prints it.
pub fn print(evaluation: &Evaluation, task: &Task, starts: u32) {
    let Evaluation { evaluations, right, accuracy, mean_distance, unsettled, basin_changed, .. } = evaluation;
    let samples = if task.test == task.train { "the samples trained with" } else { "samples never trained with" };
    println!(
        "evaluated on the committed codes: {} samples × {starts} kicks ({samples}, kicks never used in training)",
        task.test.len()
    );
    println!("  right          {right} of {evaluations} ({:.2} %)", 100.0 * accuracy);
    println!("  mean D         {mean_distance:.5}");
    println!("  unsettled      {unsettled}, moved at the second look {basin_changed} (counted as wrong)");
    let width = task.classes.iter().map(|class| class.chars().count()).max().unwrap_or(0).max(7);
    println!("  confusion (rows: class, columns: prediction)");
    print!("    {:width$}", "");
    for class in &task.classes {
        print!("  {class:>width$}");
    }
    println!();
    for (class, row) in task.classes.iter().zip(&evaluation.confusion) {
        print!("    {class:width$}");
        for count in row {
            print!("  {count:>width$}");
        }
        println!();
    }
}
