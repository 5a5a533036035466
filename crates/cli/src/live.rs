//! `--live`: a dashboard on the terminal while a run goes on. It reads the same counters as the
//! result files, and does not change the results.

use std::io::{Stderr, stderr};
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Gauge, Paragraph, Row, Sparkline, Table};
use skipbeat_core::number::thousands;
use skipbeat_core::{Span, Time};
use skipbeat_link::Cause;
use skipbeat_measure::{Figures, Judged, Metric, Second, Snapshot, Threshold};
use skipbeat_net::Clock;
use skipbeat_scenario::Plan;

/// How often the dashboard is drawn, in real time.
const FRAME: Span = Span::from_millis(200);
/// How often figures are computed: that has to look at every client.
const FIGURES_EVERY: Span = Span::from_secs(1);
/// Whether the dashboard is on the screen.
static ON_SCREEN: AtomicBool = AtomicBool::new(false);

/// Restores the terminal, at the end of a run, after a panic or at the second signal.
pub(crate) fn leave_screen() {
    if ON_SCREEN.swap(false, Ordering::Relaxed) {
        let _ = execute!(stderr(), LeaveAlternateScreen, Show);
    }
}

pub(crate) struct Live<'a> {
    plan: &'a Plan,
    terminal: Terminal<CrosstermBackend<Stderr>>,
    clock: Clock,
    next_frame: Time,
    next_figures: Time,
    /// Members at each frame.
    members: Vec<u64>,
    figures: Option<(Figures, Vec<Judged>)>,
}

impl<'a> Live<'a> {
    pub(crate) fn begin(plan: &'a Plan) -> anyhow::Result<Self> {
        let terminal = Terminal::new(CrosstermBackend::new(stderr()))?;
        // The message of a panic has to go to the normal screen.
        let say = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            leave_screen();
            say(panic);
        }));
        execute!(stderr(), EnterAlternateScreen, Hide)?;
        ON_SCREEN.store(true, Ordering::Relaxed);
        Ok(Live {
            plan,
            terminal,
            clock: Clock::start(),
            next_frame: Time::ZERO,
            next_figures: Time::ZERO,
            members: Vec::new(),
            figures: None,
        })
    }

    /// Draws the dashboard if the next frame is due.
    pub(crate) fn show(&mut self, snapshot: &Snapshot<'_>) {
        let now = self.clock.now();
        if now < self.next_frame {
            return;
        }
        self.next_frame = now + FRAME;
        if now >= self.next_figures {
            self.next_figures = now + FIGURES_EVERY;
            self.figures = snapshot.figures(&self.plan.columns()).map(|(whole, groups)| {
                let judged = self.plan.judge(&whole, &groups);
                (whole, judged)
            });
        }
        self.members.extend(snapshot.members());
        let Live { plan, terminal, members, figures, .. } = self;
        // A terminal that can't be drawn on is no reason to end a run.
        let _ = terminal.draw(|frame| {
            let rows = [3, 6, 12].map(Constraint::Length);
            let rows = rows.into_iter().chain([Constraint::Min(3)]);
            let [head, crowd, middle, required] = Layout::vertical(rows).areas(frame.area());
            frame.render_widget(progress(plan, snapshot.now), head);
            frame.render_widget(sparkline(members, crowd), crowd);
            let columns = [Constraint::Fill(1), Constraint::Fill(1)];
            let [traffic, numbers] = Layout::horizontal(columns).areas(middle);
            frame.render_widget(last_second(snapshot.last_second()), traffic);
            if let Some((figures, judged)) = figures {
                frame.render_widget(figures_table(figures), numbers);
                frame.render_widget(thresholds(&plan.thresholds, judged), required);
            }
        });
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        leave_screen();
    }
}

fn boxed(title: impl Into<Line<'static>>) -> Block<'static> {
    Block::bordered().title(title.into()).border_style(Style::new().fg(Color::DarkGray))
}

/// How far the run is, and in which part of it.
fn progress(plan: &Plan, now: Time) -> Gauge<'static> {
    let measured = plan.measured_from();
    let part = if now < measured {
        "warm-up"
    } else if now < measured + plan.duration {
        "measured"
    } else {
        "drain"
    };
    let end = plan.end();
    let share = (now.seconds() / end.seconds()).clamp(0.0, 1.0);
    let title = format!(" {}  {}, seed {} ", plan.name, plan.mode.name(), plan.seed);
    Gauge::default()
        .block(boxed(title))
        .gauge_style(Style::new().fg(Color::Cyan).bg(Color::Black))
        .ratio(share)
        .label(format!("{:.1} of {:.1} s: {part}", now.seconds(), end.seconds()))
}

/// Members over time: the latest frames, as many as fit the width.
fn sparkline(members: &[u64], area: Rect) -> Sparkline<'_> {
    let room = usize::from(area.width.saturating_sub(2)).max(1);
    let last = &members[members.len().saturating_sub(room)..];
    let now = members.last().map_or(String::new(), |now| thousands(*now as f64));
    Sparkline::default()
        .block(boxed(format!(" members {now} ")))
        .style(Style::new().fg(Color::Green))
        .data(last.iter().copied())
}

/// What happened in the last whole second.
fn last_second(second: Option<Second>) -> Table<'static> {
    let row = |name: &str, count: u64| {
        Row::new([
            Line::from(format!(" {name}")),
            Line::from(thousands(count as f64)).right_aligned(),
        ])
    };
    let rows = second.map_or_else(Vec::new, |second| {
        let mut rows = vec![
            row("sent by clients", second.up_sent),
            row("arrived at the server", second.up_received),
            row("sent by the server", second.down_sent),
            row("arrived at clients", second.down_received),
            row("deliveries", second.deliveries),
            row("evictions", second.evictions),
            row("false evictions", second.false_evictions),
        ];
        for (cause, lost) in Cause::ALL.iter().zip(second.lost) {
            if lost > 0 || *cause == Cause::Loss {
                rows.push(row(&format!("lost: {}", cause.name()), lost));
            }
        }
        rows
    });
    let widths = [Constraint::Min(19), Constraint::Length(11)];
    Table::new(rows, widths).block(boxed(" in the last second "))
}

/// The figures of the measured window so far that are worth showing: primary metrics, then other
/// headlines, as far as there is room.
fn figures_table(figures: &Figures) -> Table<'static> {
    let (primary, others): (Vec<Metric>, Vec<Metric>) =
        Metric::headlines().into_iter().partition(|metric| metric.card.primary);
    let shown = primary.into_iter().chain(others).filter(|metric| figures.say(*metric));
    let rows = shown.map(|metric| {
        let value = metric.unit().show(figures.figure(metric));
        Row::new([Line::from(format!(" {}", metric.label())), Line::from(value).right_aligned()])
    });
    let widths = [Constraint::Min(27), Constraint::Length(13)];
    Table::new(rows, widths).block(boxed(" so far "))
}

/// The thresholds, judged by the figures so far.
fn thresholds(thresholds: &[Threshold], judged: &[Judged]) -> Paragraph<'static> {
    let line = |(threshold, judged): (&Threshold, &Judged)| {
        let (mark, color) = match judged.met {
            Some(true) => ("met", Color::Green),
            Some(false) if threshold.may_still_be_met(judged.actual) => ("not yet", Color::Yellow),
            Some(false) => ("not met", Color::Red),
            None => ("unknown", Color::DarkGray),
        };
        let style = Style::new().fg(color).add_modifier(Modifier::BOLD);
        Line::styled(format!(" {mark:<8} {judged}  {}", judged.shown()), style)
    };
    let lines: Vec<Line<'static>> = match judged {
        [] => vec![Line::from(" nothing is required")],
        judged => thresholds.iter().zip(judged).map(line).collect(),
    };
    Paragraph::new(lines).block(boxed(" thresholds so far "))
}
