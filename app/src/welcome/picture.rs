//! An account as a QR code in the terminal.
//!
//! There is no common form. Most softphones fetch what they scan from a web server of their maker or of the operator;
//! `sip:user:password@host` is read by none that we know, and a camera takes `sip:user@host` for somebody to be called.
//! What needs no server is the `AccountConfig` document of Grandstream Wave (Android, iOS), which other exchanges print
//! as well; so the code holds that. Whoever has another phone types the four words below it.

use qrcode::{Color, EcLevel, QrCode};

use super::places::Place;
use crate::first_start::Newcomer;

/// Light modules around the code: ISO/IEC 18004 wants four.
const QUIET: usize = 4;

/// Black on white, whatever the colours of the terminal: a code in reverse is not read by every scanner.
const BLACK_ON_WHITE: &str = "\x1b[38;5;16;48;5;231m";
const USUAL: &str = "\x1b[0m";

/// The lines of the picture with a word above. `None` where no phone could come: the server is this machine's alone.
pub fn of(newcomer: &Newcomer, server: &Place) -> Option<String> {
    if server.is_loopback() {
        return None;
    }
    let code = QrCode::with_error_correction_level(document(newcomer, server), EcLevel::L).ok()?;
    let mut text = format!("To scan with the app Grandstream Wave: {}\n\n", newcomer.user);
    for line in lines(&code) {
        text.push_str("  ");
        text.push_str(BLACK_ON_WHITE);
        text.push_str(&line);
        text.push_str(USUAL);
        text.push('\n');
    }
    text.push('\n');
    Some(text)
}

/// None of these words holds a character that XML would want escaped.
fn document(newcomer: &Newcomer, server: &Place) -> String {
    let Newcomer { user, password } = newcomer;
    let address = &server.sent_by;
    format!(
        "<?xml version='1.0' encoding='utf-8'?><AccountConfig version='1'><Account>\
         <RegisterServer>{address}</RegisterServer><UserID>{user}</UserID><AuthID>{user}</AuthID>\
         <AuthPass>{password}</AuthPass><AccountName>{user}</AccountName><DisplayName>{user}</DisplayName>\
         </Account></AccountConfig>"
    )
}

/// Two rows of modules make a line of characters, which are about twice as high as wide.
fn lines(code: &QrCode) -> Vec<String> {
    let (width, colors) = (code.width(), code.to_colors());
    let is_dark = |row: usize, column: usize| {
        let inside = |at: usize| at.checked_sub(QUIET).filter(|at| *at < width);
        match (inside(row), inside(column)) {
            (Some(row), Some(column)) => colors[row * width + column] == Color::Dark,
            _ => false,
        }
    };
    let side = width + 2 * QUIET;
    let character = |row: usize, column: usize| match (is_dark(row, column), is_dark(row + 1, column)) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    };
    (0..side).step_by(2).map(|row| (0..side).map(|column| character(row, column)).collect()).collect()
}

/// The text as it stands on the screen.
#[cfg(test)]
pub fn without_colours(text: &str) -> String {
    text.replace(BLACK_ON_WHITE, "").replace(USUAL, "")
}

#[cfg(test)]
mod tests {
    use super::super::places::places;
    use super::*;
    use offhook_proxy::Local;
    use offhook_sip::Transport;

    fn newcomer() -> Newcomer {
        Newcomer { user: "alice", password: "vkxqw-mh3jf-u8tp2-csaxy".to_owned() }
    }

    fn place(address: &str) -> Place {
        places(&[Local::new(Transport::Udp, address.parse().unwrap(), None)], None).remove(0)
    }

    /// Every module of the code is on the screen where it belongs, with light around it.
    #[test]
    fn the_picture_is_the_code() {
        let code =
            QrCode::with_error_correction_level(document(&newcomer(), &place("192.0.2.2:5060")), EcLevel::L);
        let code = code.unwrap();
        let (width, colors) = (code.width(), code.to_colors());
        let lines: Vec<Vec<char>> = lines(&code).iter().map(|line| line.chars().collect()).collect();
        let dark_at = |row: usize, column: usize| {
            let dark_half = if row.is_multiple_of(2) { '▀' } else { '▄' };
            ['█', dark_half].contains(&lines[row / 2][column])
        };
        for row in 0..width + 2 * QUIET {
            for column in 0..width + 2 * QUIET {
                let quiet = |at: usize| at < QUIET || at >= QUIET + width;
                let dark = !quiet(row)
                    && !quiet(column)
                    && colors[(row - QUIET) * width + column - QUIET] == Color::Dark;
                assert_eq!(dark_at(row, column), dark, "row {row}, column {column}");
            }
        }
    }

    #[test]
    fn the_code_holds_what_the_phone_needs() {
        let document = document(&newcomer(), &place("192.0.2.2:5070"));
        for part in [
            "<RegisterServer>192.0.2.2:5070</RegisterServer>",
            "<UserID>alice</UserID>",
            "<AuthPass>vkxqw-mh3jf-u8tp2-csaxy</AuthPass>",
        ] {
            assert!(document.contains(part), "{part} in {document}");
        }
    }

    #[test]
    fn a_server_that_no_phone_reaches_has_no_picture() {
        assert_eq!(of(&newcomer(), &place("127.0.0.1:5060")), None);
        assert!(of(&newcomer(), &place("192.0.2.2:5060")).is_some());
    }
}
