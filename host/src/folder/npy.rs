//! Arrays as numpy stores them: the `.npy` format 1.0, for the two element types a run folder needs.
//!
//! Magic, version, a header of a multiple of 64 bytes that holds a Python literal, then the elements, little endian, last
//! index fastest. Source: `numpy.lib.format`.

const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";
const ALIGNMENT: usize = 64;

/// An element type.
pub(super) trait Element: Copy {
    /// As in the header.
    const DESCR: &'static str;
    /// Bytes of one.
    const SIZE: usize;
    /// Appends one, little endian.
    fn put(self, out: &mut Vec<u8>);
    /// Reads one from exactly `SIZE` bytes, little endian; `None` for another number of bytes.
    fn get(bytes: &[u8]) -> Option<Self>;
}

macro_rules! element {
    ($type:ty, $descr:literal) => {
        impl Element for $type {
            const DESCR: &'static str = $descr;
            const SIZE: usize = size_of::<$type>();

            fn put(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn get(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self::from_le_bytes)
            }
        }
    };
}
element!(f64, "<f8");
element!(u16, "<u2");

/// Writes a file with a one-dimensional array.
pub(super) fn encode<T: Element>(elements: &[T]) -> Vec<u8> {
    file::<T>(&format!("({},)", elements.len()), elements.iter().copied())
}

/// Writes a file with an array of shape [pairs, 2].
pub(super) fn encode_pairs<T: Element>(pairs: &[[T; 2]]) -> Vec<u8> {
    file::<T>(&format!("({}, 2)", pairs.len()), pairs.iter().flatten().copied())
}

fn file<T: Element>(shape: &str, elements: impl Iterator<Item = T>) -> Vec<u8> {
    let mut header = format!("{{'descr': '{}', 'fortran_order': False, 'shape': {shape}, }}", T::DESCR);
    let unpadded = MAGIC.len() + 2 + header.len() + 1;
    header.extend(std::iter::repeat_n(' ', unpadded.next_multiple_of(ALIGNMENT) - unpadded));
    header.push('\n');
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&(header.len() as u16).to_le_bytes()); // at most 118: two lengths of 20 digits
    out.extend_from_slice(header.as_bytes());
    elements.for_each(|element| element.put(&mut out));
    out
}

/// Reads a one-dimensional array; the error says what was found.
pub(super) fn decode<T: Element>(bytes: &[u8]) -> Result<Vec<T>, String> {
    let (shape, elements) = parse(bytes)?;
    match shape.as_slice() {
        [_] => Ok(elements),
        _ => Err(format!("one dimension is expected, its shape is {shape:?}")),
    }
}

/// Reads an array of shape [pairs, 2]; the error says what was found.
pub(super) fn decode_pairs<T: Element>(bytes: &[u8]) -> Result<Vec<[T; 2]>, String> {
    let (shape, elements) = parse(bytes)?;
    match shape.as_slice() {
        [_, 2] => Ok(elements.as_chunks::<2>().0.to_vec()),
        _ => Err(format!("rows of two are expected, its shape is {shape:?}")),
    }
}

fn parse<T: Element>(bytes: &[u8]) -> Result<(Vec<usize>, Vec<T>), String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it does not begin as a numpy file of format 1.0")?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or("it ends in its header")?;
    let (header, data) = rest.split_at_checked(u16::from_le_bytes(*length).into()).ok_or("it ends in its header")?;
    let header = std::str::from_utf8(header).map_err(|_| "its header is not text")?;
    let value = |key: &str| header.split_once(&format!("'{key}':")).map(|(_, value)| value.trim_start());
    if !value("descr").is_some_and(|descr| descr.starts_with(&format!("'{}'", T::DESCR))) {
        return Err(format!("its elements are not `{}`: header {header:?}", T::DESCR));
    }
    if !value("fortran_order").is_some_and(|order| order.starts_with("False")) {
        return Err("it is in column order (fortran_order); numpy.ascontiguousarray makes it readable".to_owned());
    }
    let shape: Vec<usize> = value("shape")
        .and_then(|shape| shape.strip_prefix('(')?.split_once(')'))
        .and_then(|(shape, _)| shape.trim_end_matches(',').split(',').map(|n| n.trim().parse().ok()).collect())
        .ok_or_else(|| format!("it has no shape: header {header:?}"))?;
    let expected = shape.iter().try_fold(T::SIZE, |product, n| product.checked_mul(*n));
    if expected != Some(data.len()) {
        return Err(format!("its shape is {shape:?}, but it holds {} bytes of elements", data.len()));
    }
    Ok((shape, data.chunks_exact(T::SIZE).filter_map(T::get).collect()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn arrays_survive_whatever_their_length() {
        for n in [0, 1, 9, 10, 99_999] {
            let ones: Vec<f64> = (0..n).map(|i| f64::from(i).sqrt() - 3.0).collect();
            let file = encode(&ones);
            assert_eq!((file.len() - 8 * ones.len()) % ALIGNMENT, 0);
            assert_eq!(decode::<f64>(&file).unwrap(), ones);
            let pairs: Vec<[u16; 2]> = (0..n).map(|i| [i as u16, (i * 7) as u16]).collect();
            assert_eq!(decode_pairs::<u16>(&encode_pairs(&pairs)).unwrap(), pairs);
        }
    }

    #[test]
    fn what_is_no_such_array_is_refused() {
        let file = encode(&[1.0, 2.0]);
        for cut in 0..file.len() {
            assert!(decode::<f64>(&file[..cut]).is_err(), "{cut}");
        }
        assert!(decode::<u16>(&file).unwrap_err().contains("<u2"));
        assert!(decode_pairs::<f64>(&file).unwrap_err().contains("rows of two"));
        let text = String::from_utf8_lossy(&file[10..100]).into_owned();
        for (old, new) in [("(2,)", "(-2)"), ("(2,)", "()  "), ("False", "True "), ("(2,), }", "(99999)")] {
            let mut damaged = file.clone();
            damaged.splice(10..100, text.replacen(old, new, 1).into_bytes());
            assert!(decode::<f64>(&damaged).is_err(), "{new}");
        }
        let header = "{'descr': '<f8', 'fortran_order': False, 'shape': (18446744073709551615, 2), }";
        let mut huge = MAGIC.to_vec();
        huge.extend_from_slice(&(header.len() as u16).to_le_bytes());
        huge.extend_from_slice(header.as_bytes());
        assert!(decode_pairs::<f64>(&huge).is_err());
    }
}
