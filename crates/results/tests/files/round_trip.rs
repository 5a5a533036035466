//! What is written is read back.

use skipbeat_measure::Figures;
use skipbeat_results::{FigureRow, HostFile, ReadFolder, read_all, read_figures};

use crate::folder::Folder;

fn same(row: &FigureRow, figures: &Figures) {
    assert_eq!(row.figures.len(), figures.values().len());
    for ((name, read), (own, _, written)) in row.figures.iter().zip(figures.iter()) {
        assert_eq!((name.as_str(), *read), (own, written));
    }
}

#[test]
fn a_run_is_read_as_it_was_written() {
    let (folder, results, file) = Folder::run();
    let ReadFolder::Run(run) = read_all(folder.path()).unwrap() else { panic!("it is a run") };
    assert_eq!(run.file, file);
    same(&run.figures, &results.figures);
    assert!(run.figures.figure("latency_p99.99_s").is_some(), "a threshold requires it");
    assert_eq!(run.groups.len(), 2);
    for (row, figures) in run.groups.iter().zip(&results.groups) {
        same(row, figures);
    }
    assert_eq!(run.timeline, results.tally.timeline());
    let written: Vec<_> = results.ledger.iter().map(|row| (row.term, row.count)).collect();
    let read: Vec<_> = run.ledger.iter().map(|line| (line.term.as_str(), line.count)).collect();
    assert_eq!(read, written);
    let evictions: u64 = run.causes.iter().map(|(_, count)| count).sum();
    assert_eq!(evictions as usize, results.tally.evictions().len());
    assert!(evictions > 0);
    let latency = results.tally.all_groups().latency;
    assert_eq!(run.histograms["latency"].len(), latency.len());
    assert!(run.links.iter().any(|line| line.row.stage == "loss" && line.agrees == Some(true)));
    let Some(HostFile::Machine(host)) = &run.host else { panic!("one machine") };
    assert_eq!(host.wall_s, 0.5);
}

#[test]
fn a_sweep_is_read_as_it_was_written() {
    let (folder, file) = Folder::sweep();
    let ReadFolder::Sweep(sweep) = read_all(folder.path()).unwrap() else { panic!("a sweep") };
    assert_eq!(sweep.file, file);
    assert_eq!(sweep.keys, ["group.a.up.loss"]);
    let points: Vec<_> = sweep.points.iter().map(|point| (point.number, point.runs)).collect();
    assert_eq!(points, [(0, 2), (1, 2)]);
    let (_, rows) = read_figures(folder.path()).unwrap();
    let of_point = |point: u32| {
        let rows = rows.iter().filter(move |row| row.point == point && row.group.is_none());
        rows.map(|row| row.figure("delivery_ratio").unwrap())
    };
    for point in &sweep.points {
        let mean = of_point(point.number).sum::<f64>() / 2.0;
        assert_eq!(point.figure("delivery_ratio").mean, Some(mean));
        assert_eq!(point.figure("no_such_metric").mean, None);
    }
}

#[test]
fn a_folder_without_a_record_of_its_machine_can_be_read() {
    let (folder, ..) = Folder::run();
    std::fs::remove_file(folder.file("host.json")).unwrap();
    assert!(read_all(folder.path()).unwrap().host().is_none());
}
