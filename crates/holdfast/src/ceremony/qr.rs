//! Small bundles and answers as numbered QR codes, for where nothing that stores may be carried to the offline machine or
//! from it: written as pictures and a page to print, read again from pictures or from what any scanner says.
//!
//! A code is text of RFC 4648 §6 letters, so that every reader gives it back unchanged:
//! `HOLDFAST-COLD/1/<R or A>/<file>/<number>/<of>/<data>/<check>`, where `file` is the first half of the file's SHA-256 and
//! `check` the beginning of that of all before it. Neither is against an attacker: what is in the file is signed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::BASE32_NOPAD;
use holder::{ANSWER_FILE, REQUEST_FILE};
use qrcode::{Color, EcLevel, QrCode};

use crate::failure::{Doing as _, Failure};
use crate::input::read_at_most;

/// The largest file that is put on pages, in bytes: more than sixty codes nobody scans.
pub const QR_BYTES_MAX: usize = 32 * 1024;
/// How much of the file is in one code, in bytes: it stays readable on paper, from any camera.
const CODE_BYTES: usize = 500;
/// What every code begins with.
const MARK: &str = "HOLDFAST-COLD/1/";
/// How much of a digest names the file, in bytes.
const NAME_BYTES: usize = 16;
/// How much of a digest checks a code, in bytes.
const CHECK_BYTES: usize = 4;
/// How many pixels wide one module of a code is, and how many modules of white are around it (ISO/IEC 18004 wants four).
const MODULE_PIXELS: usize = 8;
const QUIET_MODULES: usize = 4;
/// The largest picture, or file of scanned texts, that is read, in bytes.
const PICTURE_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// The codes' folder in the folder that is carried.
pub const FOLDER: &str = "qr";

/// The texts of the codes of a file, in order.
fn texts(name: &str, file: &[u8]) -> Vec<String> {
    let kind = if name == REQUEST_FILE { "R" } else { "A" };
    let (whole, of) = (name_of(file), file.len().div_ceil(CODE_BYTES));
    let code = |(number, data): (usize, &[u8])| {
        let text = format!("{MARK}{kind}/{whole}/{number}/{of}/{}", BASE32_NOPAD.encode(data));
        format!("{text}/{}", check_of(&text))
    };
    (1..).zip(file.chunks(CODE_BYTES)).map(code).collect()
}

fn name_of(file: &[u8]) -> String {
    BASE32_NOPAD.encode(&digest(&SHA256, file).as_ref()[..NAME_BYTES])
}

fn check_of(text: &str) -> String {
    BASE32_NOPAD.encode(&digest(&SHA256, text.as_bytes()).as_ref()[..CHECK_BYTES])
}

/// Writes a file as codes: a picture each, and a page with all of them, to print. Says where the pictures are; none, and
/// nothing is written, where the file is too large for that.
pub fn write(folder: &Path, name: &str, file: &[u8]) -> Result<Option<Vec<PathBuf>>, Failure> {
    if file.len() > QR_BYTES_MAX {
        return Ok(None);
    }
    let folder = folder.join(FOLDER);
    fs::create_dir_all(&folder).doing(|| format!("cannot make the folder {}", folder.display()))?;
    let (texts, stem) = (texts(name, file), name.trim_end_matches(".cold"));
    let (mut figures, mut pictures) = (Vec::new(), Vec::new());
    for (number, text) in (1..).zip(&texts) {
        let picture = picture(text)?;
        let path = folder.join(format!("{stem}-{number:02}.png"));
        fs::write(&path, &picture).doing(|| format!("cannot write {}", path.display()))?;
        let of = texts.len();
        figures.push(format!(
            "<figure><img alt=\"code {number} of {of}\" src=\"data:image/png;base64,{}\">\
             <figcaption>{name}, {}: {number} of {of}</figcaption></figure>\n",
            STANDARD.encode(&picture),
            &name_of(file)[..8]
        ));
        pictures.push(path);
    }
    let page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Holdfast ceremony: {name}</title>\n<style>\
         figure {{ margin: 0 0 2em; break-inside: avoid; text-align: center }} img {{ width: 12cm; image-rendering: pixelated }}\
         </style>\n{}</html>\n",
        figures.concat()
    );
    let path = folder.join(format!("{stem}.html"));
    fs::write(&path, page).doing(|| format!("cannot write {}", path.display()))?;
    Ok(Some(pictures))
}

/// A code as a picture, PNG.
fn picture(text: &str) -> Result<Vec<u8>, Failure> {
    const DOING: &str = "cannot draw a code";
    let code = QrCode::with_error_correction_level(text, EcLevel::M).doing(|| DOING)?;
    let (modules, dark) = (code.width(), code.to_colors());
    let side = (modules + 2 * QUIET_MODULES) * MODULE_PIXELS;
    let is_dark = |x: usize, y: usize| {
        let module =
            |pixel: usize| (pixel / MODULE_PIXELS).checked_sub(QUIET_MODULES).filter(|at| *at < modules);
        module(x).zip(module(y)).is_some_and(|(x, y)| dark[y * modules + x] == Color::Dark)
    };
    let pixels: Vec<u8> =
        (0..side * side).map(|at| if is_dark(at % side, at / side) { 0 } else { 255 }).collect();
    let (mut out, pixels_wide) = (Vec::new(), u32::try_from(side).doing(|| DOING)?);
    let mut encoder = png::Encoder::new(&mut out, pixels_wide, pixels_wide);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels)).doing(|| DOING)?;
    Ok(out)
}

/// What a picture, or a file of scanned texts, has of codes. Other codes, and other lines, are not ours to judge.
fn read(path: &Path) -> Result<Vec<String>, Failure> {
    let bytes = read_at_most(path, PICTURE_BYTES_MAX)?;
    if bytes.starts_with(b"\x89PNG") {
        return codes_of(&bytes).doing(|| format!("{} cannot be read as a picture", path.display()));
    }
    let none = |_| Failure::new(format!("{} is neither a PNG nor the text of codes", path.display()));
    let text = String::from_utf8(bytes).map_err(none)?;
    Ok(text.lines().filter_map(|line| line.find(MARK).map(|at| line[at..].trim_end().to_owned())).collect())
}

/// The codes in a picture.
fn codes_of(png: &[u8]) -> Result<Vec<String>, png::DecodingError> {
    let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info()?;
    let mut pixels = vec![0; reader.output_buffer_size().ok_or(png::DecodingError::LimitsExceeded)?];
    let frame = reader.next_frame(&mut pixels)?;
    let samples = frame.color_type.samples();
    let (wide, high) = (frame.width as usize, frame.height as usize);
    // Of colours the green one is nearest to how bright they are.
    let bright = usize::from(samples > 2);
    let grey = |x: usize, y: usize| pixels[(y * wide + x) * samples + bright];
    let mut image = rqrr::PreparedImage::prepare_from_greyscale(wide, high, grey);
    let texts = image.detect_grids().into_iter().filter_map(|grid| grid.decode().ok());
    Ok(texts.map(|(_, text)| text).filter(|text| text.starts_with(MARK)).collect())
}

/// A code, taken apart.
struct Code<'a> {
    file: (&'a str, &'a str, usize),
    number: usize,
    data: Vec<u8>,
}

/// None where it is not as it was written.
fn parse(text: &str) -> Option<Code<'_>> {
    let (signed, check) = text.rsplit_once('/')?;
    if check != check_of(signed) {
        return None;
    }
    let parts: Vec<&str> = signed.strip_prefix(MARK)?.split('/').collect();
    let [kind, name, number, of, data] = parts[..] else { return None };
    let (number, of) = (number.parse().ok()?, of.parse().ok()?);
    let data = BASE32_NOPAD.decode(data.as_bytes()).ok()?;
    let fits = (1..=of).contains(&number) && of <= QR_BYTES_MAX.div_ceil(CODE_BYTES);
    fits.then_some(Code { file: (kind, name, of), number, data })
}

/// Puts codes together, in whatever order and however often they come: the file and its name.
fn join(texts: &[String]) -> Result<(&'static str, Vec<u8>), Failure> {
    let mut codes = BTreeMap::new();
    let mut file = None;
    for text in texts {
        let altered =
            || Failure::new(format!("a code was altered: {}", text.chars().take(80).collect::<String>()));
        let code = parse(text).ok_or_else(altered)?;
        if *file.get_or_insert(code.file) != code.file {
            return Err(Failure::new("these codes are of two different files: scan those of one"));
        }
        if codes.insert(code.number, code.data.clone()).is_some_and(|before| before != code.data) {
            return Err(Failure::new(format!(
                "there are two different codes with the number {}",
                code.number
            )));
        }
    }
    let (kind, name, of) = file.ok_or_else(|| Failure::new("there is no code of a ceremony in these"))?;
    let missing: Vec<String> =
        (1..=of).filter(|at| !codes.contains_key(at)).map(|at| at.to_string()).collect();
    if !missing.is_empty() {
        return Err(Failure::new(format!("of {of} codes these are missing: {}", missing.join(", "))));
    }
    let bytes: Vec<u8> = codes.into_values().flatten().collect();
    if name_of(&bytes) != name {
        return Err(Failure::new("the codes do not make up the file that they name: one was altered"));
    }
    Ok((if kind == "R" { REQUEST_FILE } else { ANSWER_FILE }, bytes))
}

/// The file that the codes of pictures and texts make up, and its name.
pub fn scan(from: &[PathBuf]) -> Result<(&'static str, Vec<u8>), Failure> {
    join(&from.iter().map(|path| read(path)).collect::<Result<Vec<_>, _>>()?.concat())
}

/// Carries a file of the folder by codes: it is drawn, taken away, and put together again from the pictures. Says how many
/// there were; one that is too large stays as it is.
pub fn carry(folder: &Path, name: &str) -> Result<usize, Failure> {
    let path = folder.join(name);
    let doing = || format!("cannot carry {}", path.display());
    let Some(pictures) = write(folder, name, &fs::read(&path).doing(doing)?)? else { return Ok(0) };
    fs::remove_file(&path).doing(doing)?;
    let (known, file) = scan(&pictures)?;
    fs::write(folder.join(known), file).doing(doing)?;
    fs::remove_dir_all(folder.join(FOLDER)).doing(doing)?;
    Ok(pictures.len())
}

#[cfg(test)]
#[path = "qr_tests.rs"]
mod tests;
