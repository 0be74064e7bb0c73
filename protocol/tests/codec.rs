//! The codecs: whatever goes in comes out, in no more bytes than promised; whatever bytes come in, nothing panics, and
//! only what an encoder writes is taken.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use xyloop_protocol::codec::{
    Damaged, read_out,
    rice::{self, BLOCK, fold16, fold32, unfold16, unfold32},
};

fn coded<const WIDTH: u32>(values: &[u32]) -> Vec<u8> {
    let mut out = vec![0xaa; rice::most_bytes::<WIDTH>(values.len())];
    let bytes = rice::encode::<WIDTH>(values.iter().copied(), &mut out).expect("the stated bound suffices");
    out.truncate(bytes);
    out
}

fn decoded<const WIDTH: u32>(bytes: &[u8], count: usize) -> Result<Vec<u32>, Damaged> {
    let mut values = Vec::new();
    rice::decode::<WIDTH>(bytes, count, |index, value| {
        assert_eq!(index, values.len());
        values.push(value);
    })?;
    assert_eq!(values.len(), count);
    Ok(values)
}

/// Arrays of every kind: zeros, small, mixed sizes, outliers, noise.
fn array(width: u32) -> impl Strategy<Value = Vec<u32>> {
    let most = u32::MAX >> (32 - width);
    let value = (0..=width, any::<u32>()).prop_map(
        move |(bits, value)| {
            if bits == 0 { 0 } else { value & (most >> (width - bits)) }
        },
    );
    let small = any::<u32>().prop_map(|value| value % 40);
    let rare = (0..30u32, any::<u32>()).prop_map(move |(die, value)| if die == 0 { value & most } else { die });
    let noise = any::<u32>().prop_map(move |value| value & most);
    prop_oneof![
        prop::collection::vec(value, 0..200),
        prop::collection::vec(small, 0..200),
        prop::collection::vec(rare, 0..200),
        prop::collection::vec(noise, 0..200),
        prop::collection::vec(Just(0), 0..200),
    ]
}

proptest! {
    #[test]
    fn what_was_coded_comes_back(words in array(16), sums in array(32)) {
        prop_assert_eq!(decoded::<16>(&coded::<16>(&words), words.len()), Ok(words));
        prop_assert_eq!(decoded::<32>(&coded::<32>(&sums), sums.len()), Ok(sums));
    }

    #[test]
    fn a_part_is_whole_blocks_and_as_many_as_fit(words in array(16), room in 0usize..300) {
        let mut out = vec![0; room];
        let (count, bytes) = rice::encode_part::<16>(words.iter().copied(), &mut out);
        prop_assert!(bytes <= room && (count == words.len() || count.is_multiple_of(BLOCK)));
        prop_assert_eq!(decoded::<16>(&out[..bytes], count), Ok(words[..count].to_vec()));
        let one_more = (count + BLOCK).min(words.len());
        prop_assert!(count == words.len() || coded::<16>(&words[..one_more]).len() > room);
    }

    #[test]
    fn cut_or_longer_bytes_are_refused(sums in array(32), more in prop::collection::vec(any::<u8>(), 1..4)) {
        prop_assume!(!sums.is_empty());
        let bytes = coded::<32>(&sums);
        for cut in 0..bytes.len() {
            prop_assert_eq!(decoded::<32>(&bytes[..cut], sums.len()), Err(Damaged));
        }
        prop_assert_eq!(decoded::<32>(&[&bytes[..], &more].concat(), sums.len()), Err(Damaged));
    }

    #[test]
    fn any_bytes_decode_to_what_they_stand_for_or_not_at_all(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        count in 0usize..300,
    ) {
        // Another parameter may have been chosen; the values come back all the same.
        if let Ok(values) = decoded::<16>(&bytes, count) {
            prop_assert!(values.iter().all(|value| *value <= 0xffff));
            prop_assert!(coded::<16>(&values).len() <= bytes.len());
            prop_assert_eq!(decoded::<16>(&coded::<16>(&values), count), Ok(values));
        }
        if let Ok(values) = decoded::<32>(&bytes, count) {
            prop_assert!(coded::<32>(&values).len() <= bytes.len());
        }
        let mut taken = 0;
        let result = read_out::decode(&bytes, count % 8, count, |_, index| index as u16, |_| taken += 1);
        prop_assert!(taken <= count && (result.is_err() || taken == count));
    }

    #[test]
    fn a_read_out_comes_back_in_no_more_bytes_than_its_words(
        free in prop::collection::vec(any::<u16>(), 0..100),
        spread in 1u16..2000,
        seed in any::<u64>(),
    ) {
        let states: Vec<Vec<u16>> = (0..5u64)
            .map(|state| {
                let of = |(index, word): (usize, &u16)| {
                    let draw = (seed ^ state << 32 ^ index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
                    word.wrapping_add(draw as u16 % spread).wrapping_sub(spread / 2)
                };
                free.iter().enumerate().map(of).collect()
            })
            .collect();
        for ordinal in 0..states.len() {
            let mut out = vec![0; 2 * free.len()];
            let bytes = read_out::encode(ordinal, free.len(), |state, index| states[state][index], &mut out).unwrap();
            prop_assert!(bytes <= 2 * free.len() && (ordinal > 0 || bytes == 2 * free.len()));
            // In a slice of just that length, and in none that is shorter.
            let mut exact = vec![0; bytes];
            let word = |state: usize, index: usize| states[state][index];
            prop_assert_eq!(read_out::encode(ordinal, free.len(), word, &mut exact), Some(bytes));
            prop_assert_eq!(&exact, &out[..bytes]);
            prop_assert!(bytes == 0 || read_out::encode(ordinal, free.len(), word, &mut exact[1..]).is_none());
            let mut words = Vec::new();
            let earlier = |state: usize, index: usize| {
                assert!(state < ordinal, "only what came before is known");
                states[state][index]
            };
            prop_assert_eq!(
                read_out::decode(&out[..bytes], ordinal, free.len(), earlier, |word| words.push(word)),
                Ok(())
            );
            prop_assert_eq!(&words, &states[ordinal]);
        }
    }
}

#[test]
fn folding_is_undone_and_small_numbers_stay_small() {
    for word in 0..=u16::MAX {
        assert_eq!(unfold16(fold16(word)), word);
        assert!(fold16(word) <= 0xffff);
    }
    for value in [0, 1, -1, 77, -77, i32::MAX, i32::MIN] {
        assert_eq!(unfold32(fold32(value)), value);
    }
    assert_eq!([0, 0xffff, 1, 0xfffe, 0x8000].map(fold16), [0, 1, 2, 3, 0xffff]);
    assert_eq!([0, -1, 1, -2, i32::MIN].map(fold32), [0, 1, 2, 3, u32::MAX]);
}

#[test]
fn blocks_are_as_the_document_says() {
    // In the order of the bits: k = 1000, 3 = 01 1, 0 = 1 0, 3 = 01 1.
    assert_eq!(coded::<16>(&[3, 0, 3]), [0b1110_0001, 0b0000_1100]);
    // k = 4, five bits of it: 00100; 40 = 2·16 + 8 = 001 0001.
    assert_eq!(decoded::<32>(&[0b1000_0100, 0b0000_1000], 1), Ok(vec![40]));
    assert_eq!(coded::<16>(&[0; 40]), [0xee]);
    assert_eq!(coded::<32>(&[u32::MAX]), [0xff, 0xff, 0xff, 0xff, 0x1f]);
}

#[test]
fn a_value_with_a_shorter_form_is_refused() {
    // k = 0 and the escape, for a value that is below the limit.
    let escape = |value: u32| {
        let bits = u64::from(value) << 20;
        bits.to_le_bytes()[..5].to_vec()
    };
    assert_eq!(decoded::<16>(&escape(16), 1), Ok(vec![16]));
    assert_eq!(decoded::<16>(&escape(15), 1), Err(Damaged));
    // k = 13, a quotient that leads beyond 16 bits.
    let beyond = 0xd | 0x1 << (4 + 8);
    assert_eq!(decoded::<16>(&u32::to_le_bytes(beyond), 1), Err(Damaged));
    // A one among the bits that fill the last byte.
    let mut bytes = coded::<16>(&[0]);
    assert_eq!(bytes, [14]);
    bytes[0] |= 0x80;
    assert_eq!(decoded::<16>(&bytes, 1), Err(Damaged));
}

#[test]
fn a_mirrored_response_takes_less_than_the_response() {
    let free: Vec<u16> = (0..225u32).map(|i| (i * 40_503) as u16).collect();
    let response = |i: usize| ((i * 7919 % 400) as u16).wrapping_sub(200);
    let plus: Vec<u16> = free.iter().enumerate().map(|(i, f)| f.wrapping_add(response(i))).collect();
    let minus: Vec<u16> = free.iter().enumerate().map(|(i, f)| f.wrapping_sub(response(i)) + (i as u16 % 3)).collect();
    let states = [&free, &plus, &free, &minus];
    let length = |ordinal| {
        let mut out = [0; 450];
        let bytes = read_out::encode(ordinal, 225, |state, index| states[state][index], &mut out).unwrap();
        (bytes, out[0])
    };
    assert_eq!(length(2), (1 + 4, 0), "eight blocks of zeros");
    let ((plus, of_plus), (minus, of_minus)) = (length(1), length(3));
    assert_eq!((of_plus, of_minus), (0, 1));
    assert!(plus > 225 && minus < 100, "{plus} {minus}");
}

#[test]
fn a_read_out_against_itself_or_a_later_one_is_refused() {
    let mut out = [0; 200];
    let bytes = read_out::encode(2, 100, |_, _| 5, &mut out).unwrap();
    let result = |out: &[u8]| read_out::decode(out, 2, 100, |_, _| 5, |_| {});
    assert_eq!(result(&out[..bytes]), Ok(()));
    out[0] = 2;
    assert_eq!(result(&out[..bytes]), Err(Damaged));
    assert_eq!(read_out::decode(&out[..bytes], 0, 100, |_, _| 5, |_| {}), Err(Damaged), "the free state is words");
    assert_eq!(read_out::decode(&[0; 201], 2, 100, |_, _| 5, |_| {}), Err(Damaged), "longer than its words");
}
