//! A report as one page of HTML that needs nothing else: no script, no address.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::report::{Point, Report};
use super::text::{text, time};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 280.0;
/// For the numbers beside the plot.
const MARGIN: f64 = 56.0;
/// An interval wider than this is cut off: the first days would make the rest flat.
const MOST_SHOWN: f64 = 2.0;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}\
    pre{overflow-x:auto;background:#f6f6f4;padding:1rem;font-size:12px}svg{width:100%;height:auto}\
    .band{fill:#2b6cb0;opacity:.22}.bounds{fill:#2b6cb0;opacity:.09}.line{fill:none;stroke:#2b6cb0;stroke-width:2}\
    .zero{stroke:#222}.grid{stroke:#ddd}text{font-size:12px;fill:#444}";

/// The report with a plot of each variant's relative uplift over time.
pub fn page(report: &Report) -> String {
    let variants = report.arms.iter().filter(|arm| arm.comparison.is_some());
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { "Experiment " (report.experiment) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Experiment " (report.experiment) }
                @for arm in variants {
                    @let points: Vec<&Point> = report.over_time.iter().filter(|point| point.variant == arm.variant).collect();
                    h2 { (arm.variant) ": relative uplift of the conversion rate, by all that was known at the time" }
                    (plot(&points))
                }
                p {
                    "The line is the uplift, the dark band its 95 % interval for a single look, the light one the interval "
                    "that holds for all looks together: decide early only by the light one."
                }
                pre { (text(report)) }
            }
        }
    };
    markup.into_string()
}

/// From data to the plot's coordinates.
struct Scale {
    from: f64,
    span: f64,
    highest: f64,
}

impl Scale {
    fn new(points: &[(f64, Shown)]) -> Self {
        let (from, to) = (points.first().map_or(0.0, |point| point.0), points.last().map_or(1.0, |point| point.0));
        let values = points.iter().flat_map(|(_, shown)| [shown.sequential.0, shown.sequential.1]);
        let highest = values.map(f64::abs).fold(0.05, f64::max).min(MOST_SHOWN);
        Self { from, span: (to - from).max(1.0), highest }
    }

    fn x(&self, at: f64) -> f64 {
        MARGIN + (at - self.from) / self.span * (WIDTH - MARGIN - 10.0)
    }

    fn y(&self, value: f64) -> f64 {
        let half = HEIGHT / 2.0 - 20.0;
        HEIGHT / 2.0 - value.clamp(-self.highest, self.highest) / self.highest * half
    }
}

/// What is drawn of an effect.
#[derive(Clone, Copy)]
struct Shown {
    difference: f64,
    interval: (f64, f64),
    sequential: (f64, f64),
}

fn plot(points: &[&Point]) -> Markup {
    #[expect(clippy::cast_precision_loss, reason = "times in milliseconds are below 2^53")]
    let shown: Vec<(f64, Shown)> = points
        .iter()
        .filter_map(|point| {
            let effect = point.uplift?;
            let (difference, interval, sequential) = (effect.difference, effect.interval, effect.sequential);
            Some((point.at as f64, Shown { difference, interval, sequential }))
        })
        .collect();
    let (Some(first), Some(last)) = (shown.first(), shown.last()) else {
        return html! { p { "There is too little to compare." } };
    };
    let scale = Scale::new(&shown);
    let band = |bounds: fn(&Shown) -> (f64, f64)| {
        let high = shown.iter().map(|(at, shown)| (*at, bounds(shown).1));
        let low = shown.iter().rev().map(|(at, shown)| (*at, bounds(shown).0));
        path(&scale, high.chain(low))
    };
    let line = path(&scale, shown.iter().map(|(at, shown)| (*at, shown.difference)));
    let ticks = [-1.0, -0.5, 0.0, 0.5, 1.0].map(|part| part * scale.highest);
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label="Uplift over time" {
            @for tick in ticks {
                @let y = format!("{:.1}", scale.y(tick));
                line class=(if tick == 0.0 { "zero" } else { "grid" }) x1=(MARGIN) x2=(WIDTH - 10.0) y1=(y) y2=(y) {}
                text x=(MARGIN - 6.0) y=(y) text-anchor="end" dominant-baseline="middle" { (format!("{:+.0} %", tick * 100.0)) }
            }
            polygon class="bounds" points=(band(|shown| shown.sequential)) {}
            polygon class="band" points=(band(|shown| shown.interval)) {}
            polyline class="line" points=(line) {}
            text x=(MARGIN) y=(HEIGHT - 2.0) { (day(first.0)) }
            text x=(WIDTH - 10.0) y=(HEIGHT - 2.0) text-anchor="end" { (day(last.0)) }
        }
    }
}

fn path(scale: &Scale, points: impl Iterator<Item = (f64, f64)>) -> String {
    let points = points.map(|(at, value)| format!("{:.1},{:.1}", scale.x(at), scale.y(value)));
    points.collect::<Vec<_>>().join(" ")
}

#[expect(clippy::cast_possible_truncation, reason = "a time in milliseconds")]
fn day(at: f64) -> String {
    time(at as i64)
}
