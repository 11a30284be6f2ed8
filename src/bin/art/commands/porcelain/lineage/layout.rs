//! Where boxes stand and links run: layers from left to right, after Sugiyama, Tagawa and Toda,
//! "Methods for visual understanding of hierarchical system structures" (1981).
//!
//! A link that passes layers keeps a lane free in each, and links from one box share their lanes, so
//! nothing is drawn over a box. The order in a layer comes from barycentres, the heights from `heights`.

use std::collections::HashMap;

use super::drawing::{Drawing, Link};
use super::heights;

/// Width of a box.
pub(super) const BOX_WIDTH: f64 = 240.0;
/// Height of a box.
pub(super) const BOX_HEIGHT: f64 = 44.0;
/// Room between two layers, for links and their texts.
const LAYER_GAP: f64 = 96.0;
/// Room round all.
const MARGIN: f64 = 24.0;
/// How far below the middle of a box a link begins and ends that leads back.
const BACK_OFFSET: f64 = 13.0;
/// Room between the ends of links that enter one box, so that their texts can be told apart.
const ARRIVAL_GAP: f64 = 9.0;
/// How far above and below the middle of a box links may enter it.
const ARRIVAL_MAX: f64 = 10.0;
/// Heights that differ by less are one.
const LEVEL: f64 = 0.05;
/// Times that the layers are put in order, each from its left and from its right.
const SWEEPS: usize = 8;
/// Most lanes that are kept free; beyond, a link may run behind boxes.
const LANES_MAX: usize = 20_000;

/// Where all is.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// The left upper corner of each box.
    pub(super) corners: Vec<(f64, f64)>,
    pub(super) routes: Vec<Route>,
}

/// The way of a link.
#[derive(Debug)]
pub(super) struct Route {
    /// The data of a path in SVG.
    pub(super) path: String,
    /// Where the middle of its text stands: near its end.
    pub(super) text_at: (f64, f64),
}

/// Boxes and lanes, which take part alike.
pub(super) struct Vertices {
    /// The layer of each, boxes first.
    pub(super) layer: Vec<usize>,
    pub(super) box_count: usize,
    /// What stands to the left and to the right of each, joined by a piece of a link.
    pub(super) left: Vec<Vec<usize>>,
    pub(super) right: Vec<Vec<usize>>,
}

/// Finds where everything is.
pub(super) fn layout(drawing: &Drawing) -> Layout {
    let (vertices, lanes) = vertices(drawing);
    let layers = ordered(&vertices);
    let middles = heights::heights(&vertices, &layers);
    let x = |vertex: usize| MARGIN + vertices.layer[vertex] as f64 * (BOX_WIDTH + LAYER_GAP);
    let top = middles.iter().take(vertices.box_count).copied().fold(f64::INFINITY, f64::min) - BOX_HEIGHT / 2.0;
    let top = middles.iter().copied().fold(top, f64::min);
    let y = |vertex: usize| middles[vertex] - top + MARGIN;
    let arrivals = arrivals(drawing, &lanes, &middles);
    let routes = drawing.links.iter().zip(&lanes).zip(arrivals).map(|((link, lanes), arrival)| {
        let forward = is_forward(drawing, link);
        let (first, last) = if forward { (link.from, link.to) } else { (link.to, link.from) };
        let (leaves, enters) = if forward { (0.0, arrival) } else { (BACK_OFFSET, BACK_OFFSET) };
        let mut points = vec![(x(first) + BOX_WIDTH, y(first) + leaves)];
        points.extend(lanes.iter().flat_map(|&lane| [(x(lane), y(lane)), (x(lane) + BOX_WIDTH, y(lane))]));
        points.push(if drawing.boxes[first].layer == drawing.boxes[last].layer {
            (x(last) + BOX_WIDTH, y(last) - enters)
        } else {
            (x(last), y(last) + enters)
        });
        if !forward {
            points.reverse();
        }
        route(&points)
    });
    let routes: Vec<Route> = routes.collect();
    let layer_max = vertices.layer.iter().copied().max().unwrap_or(0);
    let bottom = (0..vertices.layer.len()).map(y).fold(0.0, f64::max) + BOX_HEIGHT / 2.0 + MARGIN;
    let corners = (0..vertices.box_count).map(|at| (x(at), y(at) - BOX_HEIGHT / 2.0)).collect();
    Layout { width: 2.0 * MARGIN + BOX_WIDTH + layer_max as f64 * (BOX_WIDTH + LAYER_GAP), height: bottom, corners, routes }
}

fn is_forward(drawing: &Drawing, link: &Link) -> bool {
    drawing.boxes[link.from].layer < drawing.boxes[link.to].layer
}

/// Finds for each link how far below the middle of its box it ends: those that enter one box are
/// spread over its side, in the order in which they come.
fn arrivals(drawing: &Drawing, lanes: &[Vec<usize>], middles: &[f64]) -> Vec<f64> {
    let mut entering = vec![Vec::new(); drawing.boxes.len()];
    for (at, link) in drawing.links.iter().enumerate().filter(|(_, link)| is_forward(drawing, link)) {
        entering[link.to].push((middles[lanes[at].last().copied().unwrap_or(link.from)], at));
    }
    let mut arrivals = vec![0.0; drawing.links.len()];
    for mut links in entering.into_iter().filter(|links| links.len() > 1) {
        links.sort_by(|a, b| a.0.total_cmp(&b.0));
        let gaps = (links.len() - 1) as f64;
        let gap = ARRIVAL_GAP.min(2.0 * ARRIVAL_MAX / gaps);
        for (place, (_, at)) in links.into_iter().enumerate() {
            arrivals[at] = (place as f64 - gaps / 2.0) * gap;
        }
    }
    arrivals
}

/// Finds the lanes that links need, and for each link which they are, from left to right.
fn vertices(drawing: &Drawing) -> (Vertices, Vec<Vec<usize>>) {
    let box_count = drawing.boxes.len();
    let mut layer: Vec<usize> = drawing.boxes.iter().map(|drawn| drawn.layer).collect();
    let mut lane_of = HashMap::<(usize, usize), usize>::new();
    let (mut pieces, mut lanes) = (Vec::new(), Vec::new());
    for (at, link) in drawing.links.iter().enumerate() {
        let (from, to) = (layer[link.from], layer[link.to]);
        let (first, last) = if from <= to { (link.from, link.to) } else { (link.to, link.from) };
        // Links that lead back have lanes of their own.
        let owner = if from <= to && !link.closes_cycle { link.from } else { box_count + at };
        let mut own = Vec::new();
        if layer[last] - layer[first] <= LANES_MAX.saturating_sub(lane_of.len()) {
            for between in layer[first] + 1..layer[last] {
                own.push(*lane_of.entry((owner, between)).or_insert_with(|| {
                    layer.push(between);
                    layer.len() - 1
                }));
            }
            let way: Vec<usize> = [first].into_iter().chain(own.iter().copied()).chain([last]).collect();
            pieces.extend(way.windows(2).map(|piece| (piece[0], piece[1])).filter(|(a, b)| layer[*a] < layer[*b]));
        }
        lanes.push(own);
    }
    pieces.sort_unstable();
    pieces.dedup();
    let mut vertices = Vertices { left: vec![Vec::new(); layer.len()], right: vec![Vec::new(); layer.len()], layer, box_count };
    for (from, to) in pieces {
        vertices.right[from].push(to);
        vertices.left[to].push(from);
    }
    (vertices, lanes)
}

/// Puts every layer in an order with few crossings, the best that was met.
fn ordered(vertices: &Vertices) -> Vec<Vec<usize>> {
    let mut layers = vec![Vec::new(); vertices.layer.iter().copied().max().map_or(0, |max| max + 1)];
    for (vertex, &layer) in vertices.layer.iter().enumerate() {
        layers[layer].push(vertex);
    }
    let mut place = vec![0; vertices.layer.len()];
    layers.iter().for_each(|layer| renumber(layer, &mut place));
    let (mut best, mut fewest) = (layers.clone(), crossings(vertices, &layers, &place));
    for sweep in 0..2 * SWEEPS {
        if fewest == 0 {
            break;
        }
        let (beside, order): (_, Vec<usize>) = match sweep % 2 {
            0 => (&vertices.left, (0..layers.len()).collect()),
            _ => (&vertices.right, (0..layers.len()).rev().collect()),
        };
        for layer in order {
            sort_by_barycentre(&mut layers[layer], beside, &place);
            renumber(&layers[layer], &mut place);
        }
        let count = crossings(vertices, &layers, &place);
        if count < fewest {
            (best, fewest) = (layers.clone(), count);
        }
    }
    best
}

fn renumber(layer: &[usize], place: &mut [usize]) {
    layer.iter().enumerate().for_each(|(at, &vertex)| place[vertex] = at);
}

/// Sorts a layer by the mean place of what each is joined to; what is joined to nothing there stays.
fn sort_by_barycentre(layer: &mut [usize], beside: &[Vec<usize>], place: &[usize]) {
    let mean = |vertex: usize| {
        let places = beside[vertex].iter().map(|&next| place[next] as f64);
        places.sum::<f64>() / beside[vertex].len() as f64
    };
    let (free, joined): (Vec<usize>, Vec<usize>) = (0..layer.len()).partition(|&at| beside[layer[at]].is_empty());
    let mut sorted: Vec<usize> = joined.iter().map(|&at| layer[at]).collect();
    sorted.sort_by(|&a, &b| mean(a).total_cmp(&mean(b)));
    let free: Vec<(usize, usize)> = free.into_iter().map(|at| (at, layer[at])).collect();
    for (at, vertex) in free {
        sorted.insert(at.min(sorted.len()), vertex);
    }
    layer.copy_from_slice(&sorted);
}

/// Counts the crossings between neighbouring layers, by counting inversions in a Fenwick tree.
fn crossings(vertices: &Vertices, layers: &[Vec<usize>], place: &[usize]) -> u64 {
    let mut count = 0;
    for pair in layers.windows(2) {
        let (mut tree, mut seen) = (vec![0_u64; pair[1].len() + 1], 0_u64);
        for &vertex in &pair[0] {
            let mut ends: Vec<usize> = vertices.right[vertex].iter().map(|&next| place[next]).collect();
            ends.sort_unstable();
            for &end in &ends {
                // All seen so far, but those that end no lower, cross this one.
                let (mut at, mut not_after) = (end + 1, 0);
                while at > 0 {
                    not_after += tree[at];
                    at &= at - 1;
                }
                count += seen - not_after;
            }
            for end in ends {
                seen += 1;
                let mut at = end + 1;
                while at < tree.len() {
                    tree[at] += 1;
                    at += at & at.wrapping_neg();
                }
            }
        }
    }
    count
}

/// Draws a smooth line through points: straight along lanes, curved between layers where it must be.
fn route(points: &[(f64, f64)]) -> Route {
    let mut path = format!("M{:.0} {:.1}", points[0].0, points[0].1);
    let mut level_to = None;
    for pair in points.windows(2) {
        let [(x, y), (to_x, to_y)] = [pair[0], pair[1]];
        if (y - to_y).abs() < LEVEL {
            level_to = Some(to_x);
            continue;
        }
        if let Some(x) = level_to.take() {
            path.push_str(&format!("H{x:.0}"));
        }
        if (x - to_x).abs() < 1.0 {
            let bow = x + LAYER_GAP / 2.0;
            path.push_str(&format!("C{bow:.0} {y:.1} {bow:.0} {to_y:.1} {to_x:.0} {to_y:.1}"));
        } else {
            let half = f64::midpoint(x, to_x);
            path.push_str(&format!("C{half:.0} {y:.1} {half:.0} {to_y:.1} {to_x:.0} {to_y:.1}"));
        }
    }
    if let Some(x) = level_to {
        path.push_str(&format!("H{x:.0}"));
    }
    // Where the last curve is seven tenths through: there it has parted from its neighbours.
    let [(x, y), (to_x, to_y)] = [points[points.len() - 2], points[points.len() - 1]];
    Route { path, text_at: (x + 0.658 * (to_x - x), y + 0.784 * (to_y - y)) }
}

#[cfg(test)]
mod tests {
    use super::super::drawing::DrawnBox;
    use super::super::label::{Label, Sort};
    use super::*;

    fn drawing(layers: &[usize], links: &[(usize, usize)]) -> Drawing {
        let one = |&layer: &usize| DrawnBox { node: None, label: Label::folded(Sort::Run, String::new()), layer, is_start: false };
        let link =
            |&(from, to): &(usize, usize)| Link { from, to, text: String::new(), is_weak: false, closes_cycle: layers[from] >= layers[to] };
        Drawing { boxes: layers.iter().map(one).collect(), links: links.iter().map(link).collect() }
    }

    /// A graph of so many boxes in eight layers, by a linear congruential generator.
    fn random(boxes: usize, seed: usize) -> Drawing {
        let mut state = seed;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let layers: Vec<usize> = (0..boxes).map(|at| if at < 8 { at } else { next(8) }).collect();
        let links: Vec<(usize, usize)> = (0..2 * boxes).map(|_| (next(boxes), next(boxes))).collect();
        drawing(&layers, &links)
    }

    #[test]
    fn links_that_need_not_cross_do_not() {
        let (vertices, _) = vertices(&drawing(&[0, 0, 0, 1, 1, 1, 2, 2], &[(0, 5), (1, 3), (2, 4), (3, 7), (5, 6), (1, 7)]));
        let layers = ordered(&vertices);
        let mut place = vec![0; vertices.layer.len()];
        layers.iter().for_each(|layer| renumber(layer, &mut place));
        assert_eq!(crossings(&vertices, &layers, &place), 0);
    }

    #[test]
    fn crossings_are_as_many_as_pairs_that_cross() {
        for seed in 0..20 {
            let (vertices, _) = vertices(&random(40, seed));
            let layers = ordered(&vertices);
            let mut place = vec![0; vertices.layer.len()];
            layers.iter().for_each(|layer| renumber(layer, &mut place));
            let pieces: Vec<(usize, usize)> =
                vertices.right.iter().enumerate().flat_map(|(from, ends)| ends.iter().map(move |&to| (from, to))).collect();
            let cross = |a: &(usize, usize), b: &(usize, usize)| {
                vertices.layer[a.0] == vertices.layer[b.0] && place[a.0] < place[b.0] && place[a.1] > place[b.1]
            };
            let pairs = pieces.iter().flat_map(|a| pieces.iter().map(move |b| (a, b))).filter(|(a, b)| cross(a, b)).count();
            assert_eq!(crossings(&vertices, &layers, &place), pairs as u64);
        }
    }

    #[test]
    fn nothing_is_drawn_over_a_box() {
        for seed in 0..20 {
            let drawing = random(60, seed);
            let (vertices, _) = vertices(&drawing);
            let layers = ordered(&vertices);
            let middles = heights::heights(&vertices, &layers);
            for pair in layers.iter().flat_map(|layer| layer.windows(2)) {
                let halves = pair.iter().filter(|&&vertex| vertex < vertices.box_count).count() as f64 * BOX_HEIGHT / 2.0;
                assert!(middles[pair[1]] - middles[pair[0]] > halves, "{seed}: {pair:?}");
            }
            let layout = layout(&drawing);
            let inside = |&(x, y): &(f64, f64)| {
                x >= MARGIN && y >= MARGIN - 0.001 && x + BOX_WIDTH <= layout.width && y + BOX_HEIGHT <= layout.height
            };
            assert!(layout.corners.iter().all(inside));
        }
    }
}
