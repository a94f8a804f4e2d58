//! Cleanup: what it removes, in which order, and what it never does.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};
use std::time::Duration;

use sqlserver_standin::data::Datum;

use crate::shop::{Shop, int};

fn filled(rows: i32) -> Shop {
    let mut shop = Shop::with_table();
    for id in 1..=rows {
        shop.run(&format!("INSERT INTO dbo.t VALUES ({id}, 'a', NULL)"));
        shop.scan();
        shop.standin.clock().advance(Duration::from_secs(3600));
    }
    shop
}

fn lsn_of(shop: &mut Shop, id: i32) -> String {
    match shop.value(&format!("SELECT __$start_lsn FROM cdc.dbo_t_CT WHERE id = {id}")) {
        Datum::Bytes(bytes) => bytes.iter().map(|b| format!("{b:02X}")).collect(),
        other => panic!("no LSN: {other:?}"),
    }
}

#[test]
fn what_is_below_the_mark_is_gone_and_nothing_else() {
    let mut shop = filled(6);
    let mark = lsn_of(&mut shop, 4);
    shop.run(&format!(
        "EXEC sys.sp_cdc_cleanup_change_table @capture_instance = N'dbo_t', @low_water_mark = 0x{mark}, @threshold = 2"
    ));
    assert_eq!(int(shop.value("SELECT MIN(id) FROM cdc.dbo_t_CT")), 4);
    assert_eq!(int(shop.value("SELECT COUNT(*) FROM cdc.dbo_t_CT")), 3);
    assert_eq!(int(shop.value("SELECT COUNT(*) FROM cdc.lsn_time_mapping")), 3);
    let low = format!("SELECT CASE WHEN sys.fn_cdc_get_min_lsn(N'dbo_t') = 0x{mark} THEN 1 ELSE 0 END");
    assert_eq!(int(shop.value(&low)), 1);
    assert_eq!(
        shop.error("EXEC sys.sp_cdc_cleanup_change_table N'dbo_t', 0x00000000000000000001"),
        22964,
        "a mark that is no commit"
    );
    assert_eq!(shop.error("EXEC sys.sp_cdc_cleanup_change_table N'none', NULL"), 22920);
}

#[test]
fn the_low_end_is_raised_before_anything_is_deleted() {
    let mut shop = filled(3);
    let mark = lsn_of(&mut shop, 3);
    let seen = Arc::new(AtomicU32::new(0));
    let other = std::sync::Mutex::new(shop.standin.local("shop").unwrap());
    let hook = {
        let (seen, mark) = (Arc::clone(&seen), mark.clone());
        move || {
            let mut session = other.lock().unwrap();
            let raised = format!("SELECT COUNT(*) FROM cdc.change_tables WHERE start_lsn = 0x{mark}");
            assert_eq!(session.query(&raised).unwrap(), [[Datum::Int(1)]]);
            assert_eq!(session.query("SELECT COUNT(*) FROM cdc.dbo_t_CT").unwrap(), [[Datum::Int(3)]]);
            seen.fetch_add(1, Ordering::SeqCst);
        }
    };
    shop.standin.between_cleanup_steps(Some(Arc::new(hook)));
    shop.run(&format!("EXEC sys.sp_cdc_cleanup_change_table N'dbo_t', 0x{mark}"));
    assert_eq!(seen.load(Ordering::SeqCst), 1);
    assert_eq!(int(shop.value("SELECT COUNT(*) FROM cdc.dbo_t_CT")), 1);
}

#[test]
fn the_job_counts_its_retention_from_the_last_commit() {
    let mut shop = filled(6);
    shop.run("EXEC sys.sp_cdc_change_job @job_type = N'cleanup', @retention = 150");
    // Long after: what counts is the last captured commit.
    shop.standin.clock().advance(Duration::from_secs(86_400));
    shop.standin.clean_up("shop").unwrap();
    assert_eq!(int(shop.value("SELECT MIN(id) FROM cdc.dbo_t_CT")), 4);
}
