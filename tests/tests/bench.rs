//! `consign bench` on the real binary: a short run whose figures must fit together.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use consign_tests::scratch::in_scratch;
use serde_json::Value;

/// The figure of a name, a number above nothing.
fn positive(object: &Value, name: &str) -> Result<f64> {
    let figure = object.get(name).and_then(Value::as_f64);
    let figure = figure.with_context(|| format!("{name} is a number: {object}"))?;
    ensure!(figure > 0.0, "{name} is {figure}: {object}");
    Ok(figure)
}

#[test]
fn a_short_load_gives_figures_that_fit_together() -> Result<()> {
    in_scratch("bench hub", |scratch| {
        // Temporary files may lie in memory, where nothing is measured.
        let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let here = disk.path().join("here").display().to_string();
        let line = "bench hub --nodes 2 --in-flight 8 --seconds 1 --dir";
        let report = scratch.ask(&format!("{line} '{here}'"))?;
        for name in [
            "accepted_per_s",
            "settled_per_s",
            "cpu_ms_per_document",
            "rss_mib",
        ] {
            positive(&report, name)?;
        }
        let written = positive(&report, "bytes_written_per_document")?;
        ensure!(written > 2048.0, "the payload alone has 2 KiB: {written}");
        let (p50, p99) = (positive(&report, "p50_ms")?, positive(&report, "p99_ms")?);
        ensure!(
            p50 <= p99 && p99 <= positive(&report, "max_ms")?,
            "{report}"
        );
        for name in ["verify_per_s", "sign_per_s", "fsync_ms", "journal_per_s"] {
            positive(&report["limits"], name)?;
        }
        let ratio = positive(&report["ratio"], "accepted_to_verify")?;
        let expected =
            positive(&report, "accepted_per_s")? / positive(&report["limits"], "verify_per_s")?;
        ensure!(
            (ratio - expected).abs() < 0.001,
            "{ratio} is not {expected}"
        );
        phases_fit_together(&report)?;
        let hub = Path::new(&here).join("hub");
        ensure!(
            hub.join("data").is_dir(),
            "a directory that was named is kept"
        );
        ensure!(
            !hub.join("run.json").exists(),
            "the hub has stopped in order"
        );
        Ok(())
    })
}

fn phases_fit_together(report: &Value) -> Result<()> {
    let (accept, settle) = (&report["accept"], &report["settle"]);
    positive(accept, "accepted")?;
    for name in ["delivered", "settled"] {
        ensure!(accept[name] == 0.0, "nobody collects in phase 1: {accept}");
    }
    let accepted = positive(settle, "accepted")?;
    let delivered = positive(settle, "delivered")?;
    let settled = positive(settle, "settled")?;
    // What is under way when the time is over is counted as far as it came.
    ensure!(settled <= delivered, "settled before delivered: {settle}");
    ensure!(settled <= accepted, "settled before accepted: {settle}");
    ensure!(accepted <= settled + 8.0, "more under way than 8: {settle}");
    let seconds = positive(settle, "seconds")?;
    let per_s = positive(settle, "settled_per_s")?;
    ensure!(
        (per_s * seconds - settled).abs() <= 0.01 * settled + 1.0,
        "{settle}"
    );
    Ok(())
}

#[test]
fn what_cannot_be_measured_is_refused() -> Result<()> {
    in_scratch("bench refused", |scratch| {
        let line = "bench hub --nodes 2 --recipients 2 --seconds 1 --json";
        scratch.consign(line)?.refused(2, "usage")?;
        std::fs::create_dir(scratch.join("full"))?;
        scratch.write("full/file", b"")?;
        let line = "bench hub --nodes 2 --seconds 1 --dir full --json";
        scratch.consign(line)?.refused(2, "usage")?;
        let left = std::fs::read_dir(scratch.path())?.count();
        ensure!(left == 1, "a directory that was not named is removed");
        Ok(())
    })
}

#[test]
fn every_scenario_gives_its_figures() -> Result<()> {
    in_scratch("bench scenarios", |scratch| {
        let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let measure = |name: &str, line: &str, figures: &[&str]| -> Result<Value> {
            let here = disk.path().join(name);
            let report = scratch.ask(&format!("bench {line} --dir '{}'", here.display()))?;
            for figure in figures {
                positive(&report, figure)?;
            }
            Ok(report)
        };
        let report = measure(
            "fan-out",
            "hub --scenario fan-out --nodes 5",
            &["cpu_ms_until_accepted", "settled_s", "rss_mib"],
        )?;
        ensure!(report["recipients"] == 5, "{report}");
        ensure!(
            positive(&report, "accepted_ms")? <= 1000.0 * positive(&report, "settled_s")? + 1.0,
            "{report}"
        );
        measure(
            "idle",
            "hub --scenario idle --nodes 5 --seconds 1",
            &["rss_mib", "peak_rss_mib", "connecting_s"],
        )?;
        let report = measure(
            "restart",
            "hub --scenario restart --nodes 2 --documents 300",
            &["clean_s", "killed_s", "rebuilt_s"],
        )?;
        ensure!(report["documents"] == 300, "{report}");
        let report = measure(
            "large",
            "hub --scenario large --size 5MiB",
            &["mb_per_s", "peak_rss_mib"],
        )?;
        ensure!(positive(&report, "bytes_written")? >= 5e6, "{report}");
        let report = measure(
            "soak",
            "hub --scenario soak --nodes 2 --documents 300",
            &["settled_per_s", "peak_rss_mib", "disk_bytes_per_document"],
        )?;
        ensure!(report["documents"] == 300, "{report}");
        let report = measure(
            "retention",
            "hub --scenario retention --documents 3000",
            &["disk_before_mib", "disk_after_mib", "live_mib"],
        )?;
        ensure!(report["open"] == 300, "{report}");
        Ok(())
    })
}

#[test]
fn real_nodes_are_measured_end_to_end() -> Result<()> {
    in_scratch("bench network", |scratch| {
        let disk = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let here = disk.path().join("here");
        let line = "bench network --nodes 2 --in-flight 2 --seconds 1";
        let report = scratch.ask(&format!("{line} --dir '{}'", here.display()))?;
        for name in [
            "documents_per_s",
            "p50_ms",
            "hub_cpu_ms_per_document",
            "nodes_cpu_ms_per_document",
        ] {
            positive(&report, name)?;
        }
        let documents = positive(&report, "documents")?;
        let expected = documents / positive(&report, "seconds")?;
        let per_s = positive(&report, "documents_per_s")?;
        ensure!(
            (per_s - expected).abs() <= 0.02 * expected + 0.1,
            "{report}"
        );
        Ok(())
    })
}
