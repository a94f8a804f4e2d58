use std::fmt;

use crate::peer::Kind;

/// Figures, in the order of their first mention.
#[derive(Default)]
pub(crate) struct Report(Vec<Figure>);

struct Figure {
    what: String,
    who: String,
    unit: &'static str,
    /// Digits after the point.
    digits: usize,
    values: Vec<f64>,
}

impl Report {
    pub(crate) fn add(&mut self, what: &str, who: &str, unit: &'static str, digits: usize, value: f64) {
        println!("  {what} · {who}: {value:.digits$} {unit}");
        match self.0.iter_mut().find(|figure| figure.what == what && figure.who == who) {
            Some(figure) => figure.values.push(value),
            None => {
                let (what, who) = (what.to_owned(), who.to_owned());
                self.0.push(Figure { what, who, unit, digits, values: vec![value] });
            }
        }
    }

    fn median_of(&self, what: &str, who: &str) -> Option<f64> {
        self.0.iter().find(|figure| figure.what == what && figure.who == who).map(Figure::median)
    }
}

impl Figure {
    fn sorted(&self) -> Vec<f64> {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        values
    }

    fn median(&self) -> f64 {
        self.sorted()[self.values.len() / 2]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | who | unit | min | median | max | Tributary / this |")?;
        writeln!(f, "|---|---|---|---:|---:|---:|---:|")?;
        for figure in &self.0 {
            let (sorted, digits) = (figure.sorted(), figure.digits);
            let ours = self.median_of(&figure.what, Kind::Tributary.name());
            let ratio = match ours {
                Some(ours) if figure.who != Kind::Tributary.name() && figure.median() > 0.0 => {
                    format!("{:.2}", ours / figure.median())
                }
                _ => String::new(),
            };
            writeln!(
                f,
                "| {} | {} | {} | {:.digits$} | {:.digits$} | {:.digits$} | {ratio} |",
                figure.what,
                figure.who,
                figure.unit,
                sorted[0],
                figure.median(),
                sorted[sorted.len() - 1],
            )?;
        }
        Ok(())
    }
}
