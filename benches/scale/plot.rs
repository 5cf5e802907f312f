//! The curves as a picture: size on a logarithmic axis, cost against the curve's first point.

use std::fmt::Write as _;

use crate::Curve;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 44.0;
/// Powers of ten of the axis.
const DECADES: f64 = 8.0;
/// The most that the axis shows.
const MOST: f64 = 2.0;
const COLOURS: [&str; 4] = ["#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad"];

/// Draws them.
pub(crate) fn svg(curves: &[Curve]) -> String {
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    // Writing to a String cannot fail.
    for step in 0..=4 {
        let cost = f64::from(step) * MOST / 4.0;
        let _ = writeln!(
            out,
            "<path d=\"M{LEFT} {0:.1}H{1:.1}\" stroke=\"#ddd\"/><text x=\"{2:.1}\" y=\"{3:.1}\" text-anchor=\"end\">{cost:.1}</text>",
            y(cost),
            WIDTH - RIGHT,
            LEFT - 8.0,
            y(cost) + 4.0
        );
    }
    for decade in 0..=8 {
        let at = x(10_f64.powi(decade));
        let _ = writeln!(
            out,
            "<text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">10<tspan dy=\"-5\" font-size=\"9\">{decade}</tspan></text>",
            HEIGHT - BOTTOM + 18.0
        );
    }
    for (curve, colour) in curves.iter().zip(COLOURS) {
        draw(curve, colour, &mut out);
    }
    let _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"{:.1}\">cost of a message, × the first point, by size</text>\n</svg>",
        HEIGHT - 8.0
    );
    out
}

fn draw(curve: &Curve, colour: &str, out: &mut String) {
    let Some((_, first)) = curve.points.first() else { return };
    let places: Vec<(f64, f64)> =
        curve.points.iter().map(|(size, ns)| (x(*size as f64), y((ns / first).min(MOST)))).collect();
    let line: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ =
        writeln!(out, "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>", line.join(" "));
    for (x, y) in &places {
        let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
    }
    if let Some((x, y)) = places.last() {
        let _ =
            writeln!(out, "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{}</text>", x + 8.0, y + 4.0, curve.name);
    }
}

fn x(size: f64) -> f64 {
    LEFT + size.max(1.0).log10() / DECADES * (WIDTH - LEFT - RIGHT)
}

fn y(cost: f64) -> f64 {
    HEIGHT - BOTTOM - cost / MOST * (HEIGHT - TOP - BOTTOM)
}
