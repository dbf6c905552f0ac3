//! Draws an experiment's plots: panels of lines over two axes, in one SVG.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::*;

/// One panel.
#[derive(Clone, Debug)]
pub struct Plot {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub lines: Vec<Line>,
}

/// An axis: its label and its scale.
#[derive(Clone, Debug)]
pub struct Axis {
    /// The quantity and its unit.
    pub label: &'static str,
    pub logarithmic: bool,
}

/// A named line through these points, in order.
#[derive(Clone, Debug)]
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// An error of the drawing library.
pub type DrawError<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Scale, Scale>>;

/// A panel's width: that of a phone, so that its labels are readable there.
const WIDTH: u32 = 440;
/// A panel's height without the legend.
const HEIGHT: u32 = 300;
/// The height of a line of the legend, which stands below the axes in two columns.
const LEGEND_LINE: u32 = 18;
const LEGEND_COLUMNS: usize = 2;
/// Colours that most people can distinguish on white (Okabe and Ito's palette without its yellow).
const COLOURS: [RGBColor; 10] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
    RGBColor(140, 86, 75),
    RGBColor(100, 60, 160),
    RGBColor(120, 140, 20),
];

impl Axis {
    /// A linear axis, from zero.
    pub fn linear(label: &'static str) -> Axis {
        Axis {
            label,
            logarithmic: false,
        }
    }

    /// A logarithmic axis: values must be above zero.
    pub fn logarithmic(label: &'static str) -> Axis {
        Axis {
            label,
            logarithmic: true,
        }
    }

    /// A value's position on the axis.
    fn place(&self, value: f64) -> f64 {
        match self.logarithmic {
            true => value.max(1e-3).log10(),
            false => value,
        }
    }

    /// The label at a position: `0.05`, `250`, `2.5k`.
    fn label_at(&self, place: f64) -> String {
        let value = if self.logarithmic {
            10f64.powf(place)
        } else {
            place
        };
        let (value, thousands) = match value.abs() {
            1000.0.. => (value / 1000.0, "k"),
            _ => (value, ""),
        };
        let text = format!("{value:.3}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        format!("{text}{thousands}")
    }

    /// The positions of the labels.
    fn ticks(&self, range: &Range<f64>) -> Vec<f64> {
        match self.logarithmic {
            true => logarithmic_ticks(range),
            false => linear_ticks(range),
        }
    }

    /// From the smallest to the largest of these values; a linear axis starts at zero.
    fn range(&self, values: impl Iterator<Item = f64> + Clone) -> Range<f64> {
        let places = values.map(|value| self.place(value));
        let least = places.clone().fold(f64::INFINITY, f64::min);
        let most = places.fold(f64::NEG_INFINITY, f64::max);
        match self.logarithmic {
            true => least - 0.05..most.max(least + 0.1) + 0.05,
            false => 0.0..if most > 0.0 { most * 1.05 } else { 1.0 },
        }
    }
}

/// Powers of ten, and on a short axis 2 and 5 times each.
fn logarithmic_ticks(range: &Range<f64>) -> Vec<f64> {
    let factors: &[f64] = match range.end - range.start < 2.5 {
        true => &[1.0, 2.0, 5.0],
        false => &[1.0],
    };
    let powers = range.start.floor() as i32..=range.end.ceil() as i32;
    let ticks = powers.flat_map(|power| {
        let places = factors.iter().map(|factor| factor.log10());
        places.map(move |place| place + f64::from(power))
    });
    ticks.filter(|tick| range.contains(tick)).collect()
}

/// At most eight steps of 1, 2 or 5 times a power of ten.
fn linear_ticks(range: &Range<f64>) -> Vec<f64> {
    let length = range.end - range.start;
    let power = 10f64.powf((length / 8.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
    let fits = |step: &f64| length / step <= 8.0;
    let step = steps.into_iter().find(fits).unwrap_or(length);
    let ticks = 0..=(length / step) as u32;
    ticks
        .map(|tick| range.start + f64::from(tick) * step)
        .collect()
}

/// An axis for the drawing library, with our label positions.
struct Scale {
    range: Range<f64>,
    ticks: Vec<f64>,
}

impl Scale {
    fn of(axis: &Axis, values: impl Iterator<Item = f64> + Clone) -> Scale {
        let range = axis.range(values);
        let ticks = axis.ticks(&range);
        Scale { range, ticks }
    }
}

impl Ranged for Scale {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, (from, to): (i32, i32)) -> i32 {
        let share = (place - self.range.start) / (self.range.end - self.range.start);
        from + (share * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.ticks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// Groups points into lines by name, in the order in which the names first appear.
pub fn lines(points: impl Iterator<Item = (String, Option<(f64, f64)>)>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (name, point) in points {
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.extend(point),
            None => lines.push(Line {
                name,
                points: point.into_iter().collect(),
            }),
        }
    }
    lines
}

impl Plot {
    fn height(&self) -> u32 {
        let lines = self.lines.len().div_ceil(LEGEND_COLUMNS);
        HEIGHT + 10 + LEGEND_LINE * lines as u32
    }

    /// This panel alone.
    ///
    /// # Errors
    /// An error of the drawing library.
    pub fn draw(&self) -> Result<String, String> {
        draw(std::slice::from_ref(self))
    }
}

/// All panels in one picture, one below the other.
///
/// # Errors
/// An error of the drawing library.
pub fn draw(plots: &[Plot]) -> Result<String, String> {
    let mut svg = String::new();
    {
        let height = plots.iter().map(Plot::height).sum();
        let mut rest = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        rest.fill(&WHITE).map_err(|error| error.to_string())?;
        for plot in plots {
            let (panel, below) = rest.split_vertically(plot.height());
            draw_panel(&panel, plot).map_err(|error| error.to_string())?;
            rest = below;
        }
        rest.present().map_err(|error| error.to_string())?;
    }
    Ok(svg)
}

fn draw_panel<'a>(panel: &Area<'a>, plot: &Plot) -> Result<(), DrawError<'a>> {
    let points = || plot.lines.iter().flat_map(|line| line.points.iter());
    let xs = Scale::of(&plot.x, points().map(|point| point.0));
    let ys = Scale::of(&plot.y, points().map(|point| point.1));
    let mut chart = ChartBuilder::on(panel)
        .caption(&plot.title, ("sans-serif", 16))
        .margin(10)
        .margin_right(18) // the last label is wider than its place
        .margin_bottom(10 + plot.height() - HEIGHT)
        .x_label_area_size(38)
        .y_label_area_size(56)
        .build_cartesian_2d(xs, ys)?;
    draw_mesh(&mut chart, plot)?;
    for (line, colour) in plot.lines.iter().zip(COLOURS.iter().cycle()) {
        let points = line.points.iter();
        let places = points.map(|(x, y)| (plot.x.place(*x), plot.y.place(*y)));
        let dots = if line.points.len() > 40 { 0 } else { 3 };
        let series = LineSeries::new(places, colour.stroke_width(2));
        chart.draw_series(series.point_size(dots))?;
    }
    draw_legend(panel, plot)
}

/// Grid lines, axes and labels.
fn draw_mesh<'a>(chart: &mut Chart<'a>, plot: &Plot) -> Result<(), DrawError<'a>> {
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(220, 220, 220))
        .label_style(("sans-serif", 12))
        .axis_desc_style(("sans-serif", 12))
        .x_desc(plot.x.label)
        .y_desc(plot.y.label)
        .x_label_formatter(&|place| plot.x.label_at(*place))
        .y_label_formatter(&|place| plot.y.label_at(*place))
        .draw()
}

/// Below the axes.
fn draw_legend<'a>(panel: &Area<'a>, plot: &Plot) -> Result<(), DrawError<'a>> {
    for (index, (line, colour)) in plot.lines.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let column = WIDTH as usize / LEGEND_COLUMNS * (index % LEGEND_COLUMNS);
        let (left, top) = (
            20 + column as i32,
            (HEIGHT + LEGEND_LINE * (index / LEGEND_COLUMNS) as u32) as i32,
        );
        panel.draw(&Rectangle::new(
            [(left, top + 4), (left + 14, top + 8)],
            colour.filled(),
        ))?;
        panel.draw(&Text::new(
            line.name.clone(),
            (left + 20, top),
            ("sans-serif", 12),
        ))?;
    }
    Ok(())
}
