//! Draws what an experiment found: panels of lines over two axes, in one SVG.

use plotters::coord::Shift;
use plotters::prelude::*;

/// One panel.
#[derive(Clone, Debug)]
pub struct Plot {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub lines: Vec<Line>,
}

/// What an axis shows, and how.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What, and in which unit.
    pub label: &'static str,
    /// Equal steps are equal factors.
    pub logarithmic: bool,
}

/// A named row of points, in the order they are joined.
#[derive(Clone, Debug)]
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

/// An error of the drawing library's.
pub type DrawError<'a> = DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const WIDTH: u32 = 900;
const PANEL_HEIGHT: u32 = 340;
/// Told apart by most people, on white (Okabe and Ito's palette, without its yellow).
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(90, 90, 90),
    RGBColor(140, 86, 75),
];

impl Axis {
    /// An axis of equal steps.
    pub fn linear(label: &'static str) -> Axis {
        Axis {
            label,
            logarithmic: false,
        }
    }

    /// An axis of equal factors: values must be above zero.
    pub fn logarithmic(label: &'static str) -> Axis {
        Axis {
            label,
            logarithmic: true,
        }
    }

    /// Where on the axis a value stands.
    fn place(&self, value: f64) -> f64 {
        match self.logarithmic {
            true => value.max(1e-3).log10(),
            false => value,
        }
    }

    /// The value that stands there, as a label has it.
    fn label_at(&self, place: f64) -> String {
        let value = if self.logarithmic {
            10f64.powf(place)
        } else {
            place
        };
        match value.abs() {
            0.0 => "0".to_string(),
            1000.0.. => format!("{}k", (value / 100.0).round() / 10.0),
            10.0.. => format!("{value:.0}"),
            0.1.. => format!("{value:.1}"),
            _ => format!("{value:.3}"),
        }
    }

    /// From the least to the most of these values; an axis of equal steps begins at zero.
    fn range(&self, values: impl Iterator<Item = f64> + Clone) -> std::ops::Range<f64> {
        let places = values.map(|value| self.place(value));
        let least = places.clone().fold(f64::INFINITY, f64::min);
        let most = places.fold(f64::NEG_INFINITY, f64::max);
        match self.logarithmic {
            true => least - 0.05..most.max(least + 0.1) + 0.05,
            false => 0.0..if most > 0.0 { most * 1.05 } else { 1.0 },
        }
    }
}

/// All panels, one below the other.
///
/// # Errors
/// What the drawing library says.
pub fn draw(plots: &[Plot]) -> Result<String, String> {
    let mut svg = String::new();
    {
        let height = PANEL_HEIGHT * plots.len() as u32;
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        area.fill(&WHITE).map_err(|error| error.to_string())?;
        for (panel, plot) in area.split_evenly((plots.len(), 1)).iter().zip(plots) {
            draw_panel(panel, plot).map_err(|error| error.to_string())?;
        }
        area.present().map_err(|error| error.to_string())?;
    }
    Ok(svg)
}

fn draw_panel<'a>(panel: &Area<'a>, plot: &Plot) -> Result<(), DrawError<'a>> {
    let points = || plot.lines.iter().flat_map(|line| line.points.iter());
    let xs = plot.x.range(points().map(|point| point.0));
    let ys = plot.y.range(points().map(|point| point.1));
    let mut chart = ChartBuilder::on(panel)
        .caption(&plot.title, ("sans-serif", 18))
        .margin(12)
        .margin_right(190) // the legend stands there
        .x_label_area_size(40)
        .y_label_area_size(64)
        .build_cartesian_2d(xs, ys)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(220, 220, 220))
        .x_desc(plot.x.label)
        .y_desc(plot.y.label)
        .x_label_formatter(&|place| plot.x.label_at(*place))
        .y_label_formatter(&|place| plot.y.label_at(*place))
        .draw()?;
    for (line, colour) in plot.lines.iter().zip(COLOURS.iter().cycle()) {
        let places = line
            .points
            .iter()
            .map(|(x, y)| (plot.x.place(*x), plot.y.place(*y)));
        let style = colour.stroke_width(2);
        chart.draw_series(
            LineSeries::new(places.clone(), style).point_size(if line.points.len() > 40 {
                0
            } else {
                3
            }),
        )?;
    }
    draw_legend(panel, plot)
}

fn draw_legend<'a>(panel: &Area<'a>, plot: &Plot) -> Result<(), DrawError<'a>> {
    let left = WIDTH as i32 - 180;
    for (index, (line, colour)) in plot.lines.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let top = 52 + 20 * index as i32;
        panel.draw(&Rectangle::new(
            [(left, top), (left + 14, top + 4)],
            colour.filled(),
        ))?;
        panel.draw(&Text::new(
            line.name.clone(),
            (left + 20, top - 5),
            ("sans-serif", 13),
        ))?;
    }
    Ok(())
}
