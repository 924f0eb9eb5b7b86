//! The `crc` method of authkeys: CRC-32 with the polynomial of POSIX `cksum`, without the length it appends.
//!
//! Polynomial 0x04C11DB7, most significant bit first, initial value 0, final complement. It is keyless: it detects
//! damage, it authenticates nobody.

const POLYNOMIAL: u32 = 0x04C1_1DB7;
const TABLE: [u32; 256] = table();

/// Checksum of `data`; "123456789" gives 0x765e7680.
pub(super) fn crc(data: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let [top, ..] = crc.to_be_bytes();
        // the index is a byte, so it is always inside the table of 256
        (crc << 8) ^ TABLE.get(usize::from(top ^ byte)).copied().unwrap_or_default()
    };
    !data.iter().fold(0, step)
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = (index as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000_0000 == 0 { crc << 1 } else { (crc << 1) ^ POLYNOMIAL };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::crc;

    #[test]
    fn check_value_of_the_catalogue() {
        assert_eq!(crc(b"123456789"), 0x765e_7680);
        assert_eq!(crc(b""), 0xffff_ffff);
    }
}
