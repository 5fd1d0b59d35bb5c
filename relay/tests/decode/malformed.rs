//! Damaged events give errors: no panic, no endless loop, no text that is not what it should be.

use std::fs;

use proptest::{
    prelude::{any, prop},
    proptest,
    sample::Index,
};

use crate::{corpus, corpus_file, entries};

/// What a fuzz target does with its bytes.
type Entry = fn(&[u8]);

const TARGETS: [(&str, Entry); 3] =
    [("table_map", entries::table_map), ("rows", entries::rows), ("jsonb", entries::jsonb)];

fn corpus_files(target: &str) -> Vec<Vec<u8>> {
    let mut paths: Vec<_> =
        fs::read_dir(corpus(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn every_corpus_file_passes_its_entry() {
    for (target, entry) in TARGETS {
        let files = corpus_files(target);
        assert!(files.len() >= 5, "the corpus of {target} is there");
        files.iter().for_each(|file| entry(file));
    }
}

/// Cutting an event anywhere must be noticed by each read on its own.
#[test]
fn every_corpus_file_cut_at_every_byte_passes_its_entry() {
    for (target, entry) in TARGETS {
        for file in corpus_files(target) {
            (0..file.len()).for_each(|length| entry(&file[..length]));
        }
    }
}

#[test]
fn every_corpus_file_with_any_one_byte_at_its_ends_of_range_passes_its_entry() {
    for (target, entry) in TARGETS {
        for mut file in corpus_files(target) {
            for place in 0..file.len() {
                let byte = file[place];
                for damage in [0x00, 0x7f, 0x80, 0xff, byte.wrapping_add(1)] {
                    file[place] = damage;
                    entry(&file);
                }
                file[place] = byte;
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_pass_every_entry(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        TARGETS.iter().for_each(|(_, entry)| entry(&bytes));
    }

    #[test]
    fn any_bytes_behind_a_real_table_map_pass_the_rows_entry(
        event_type in prop::sample::select(vec![23_u8, 24, 25, 30, 31, 32, 39]),
        rows in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let table_map = corpus_file("table_map", "all_types_mysql97_full");
        let mut input = vec![event_type];
        input.extend(u16::try_from(table_map.len()).unwrap().to_le_bytes());
        input.extend(table_map);
        input.extend(rows);
        entries::rows(&input);
    }

    #[test]
    fn corpus_files_with_several_bytes_changed_pass_their_entry(
        file in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..12),
    ) {
        for (target, entry) in TARGETS {
            let files = corpus_files(target);
            let mut bytes = file.get(&files).clone();
            for (place, byte) in &changes {
                let place = place.index(bytes.len());
                bytes[place] = *byte;
            }
            entry(&bytes);
        }
    }
}
