//! Arrays as numpy stores them (`.npy` format 1.0, little endian, C order), for numbers exchanged with the peer.

use std::path::Path;

/// An element type that is written.
pub trait Element: Copy {
    /// As in the header.
    const DESCR: &'static str;
    /// Appends one, little endian.
    fn put(self, out: &mut Vec<u8>);
}

impl Element for f64 {
    const DESCR: &'static str = "<f8";
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
}

impl Element for u32 {
    const DESCR: &'static str = "<u4";
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }
}

/// Writes an array; the last index runs fastest.
///
/// # Errors
/// If the file cannot be written.
///
/// # Panics
/// If the number of elements is not the shape's product.
pub fn write<T: Element>(path: &Path, shape: &[usize], elements: &[T]) -> std::io::Result<()> {
    assert_eq!(shape.iter().product::<usize>(), elements.len(), "one element per place of the shape");
    let shape = shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    let mut header = format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({shape},), }}", T::DESCR);
    let unpadded = 10 + header.len() + 1;
    header.extend(std::iter::repeat_n(' ', unpadded.next_multiple_of(64) - unpadded));
    header.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend_from_slice(&(header.len() as u16).to_le_bytes());
    out.extend_from_slice(header.as_bytes());
    for &element in elements {
        element.put(&mut out);
    }
    std::fs::write(path, out)
}
