//! How high each box of a layout stands: near what it is joined to, and clear of its neighbours.

use super::layout::{BOX_HEIGHT, Vertices};

/// Least room between two boxes of a layer.
const BOX_GAP: f64 = 16.0;
/// Least room round a lane.
const LANE_GAP: f64 = 14.0;
/// How much more a lane pulls at a lane: long links run straight.
const LANE_WEIGHT: f64 = 8.0;
/// Times that heights are evened out.
const ROUNDS: usize = 24;

/// Finds the height of the middle of each, in layers whose order is fixed.
pub(super) fn heights(vertices: &Vertices, layers: &[Vec<usize>]) -> Vec<f64> {
    let mut middle = vec![0.0; vertices.layer.len()];
    for layer in layers {
        let mut at = 0.0;
        for (place, &vertex) in layer.iter().enumerate() {
            at += if place == 0 { 0.0 } else { room(vertices, layer[place - 1], vertex) };
            middle[vertex] = at;
        }
        // All layers about one line to begin with.
        layer.iter().for_each(|&vertex| middle[vertex] -= at / 2.0);
    }
    for round in 0..ROUNDS {
        let from_left = round % 2 == 0;
        let order: Vec<usize> = if from_left { (0..layers.len()).collect() } else { (0..layers.len()).rev().collect() };
        // In the end both sides count, so that neither hangs askew.
        let both = round + 6 >= ROUNDS;
        for layer in order {
            let wanted: Vec<(f64, f64)> = layers[layer].iter().map(|&vertex| wanted(vertices, &middle, vertex, from_left, both)).collect();
            settle(vertices, &layers[layer], &wanted, &mut middle);
        }
    }
    middle
}

fn is_lane(vertices: &Vertices, vertex: usize) -> bool {
    vertex >= vertices.box_count
}

/// The least distance between the middles of two neighbours.
fn room(vertices: &Vertices, upper: usize, lower: usize) -> f64 {
    match (is_lane(vertices, upper), is_lane(vertices, lower)) {
        (false, false) => BOX_HEIGHT + BOX_GAP,
        (true, true) => LANE_GAP,
        _ => BOX_HEIGHT / 2.0 + LANE_GAP,
    }
}

/// Where a vertex would stand if it were alone, and how much that counts.
fn wanted(vertices: &Vertices, middle: &[f64], vertex: usize, from_left: bool, both: bool) -> (f64, f64) {
    let sides = [(&vertices.left[vertex], from_left || both), (&vertices.right[vertex], !from_left || both)];
    let (mut sum, mut weight) = (0.0, 0.0);
    for &next in sides.into_iter().filter(|(_, counts)| *counts).flat_map(|(side, _)| side) {
        let pull = if is_lane(vertices, vertex) && is_lane(vertices, next) { LANE_WEIGHT } else { 1.0 };
        sum += pull * middle[next];
        weight += pull;
    }
    if weight == 0.0 { (middle[vertex], 0.1) } else { (sum / weight, weight) }
}

/// Moves a layer as near to what is wanted as the room between neighbours allows, in the sense of
/// least squares: neighbours that would overlap become one cluster at the mean of their wishes.
fn settle(vertices: &Vertices, layer: &[usize], wanted: &[(f64, f64)], middle: &mut [f64]) {
    let mut below_first = Vec::with_capacity(layer.len());
    // Clusters: their mean, weight and length.
    let mut clusters: Vec<(f64, f64, usize)> = Vec::new();
    let mut offset = 0.0;
    for (place, &vertex) in layer.iter().enumerate() {
        offset += if place == 0 { 0.0 } else { room(vertices, layer[place - 1], vertex) };
        below_first.push(offset);
        let mut last = (wanted[place].0 - offset, wanted[place].1, 1);
        while let Some(&(mean, weight, len)) = clusters.last().filter(|cluster| cluster.0 > last.0) {
            last = ((mean * weight + last.0 * last.1) / (weight + last.1), weight + last.1, len + last.2);
            clusters.pop();
        }
        clusters.push(last);
    }
    let means = clusters.iter().flat_map(|&(mean, _, len)| std::iter::repeat_n(mean, len));
    for ((&vertex, offset), mean) in layer.iter().zip(below_first).zip(means) {
        middle[vertex] = mean + offset;
    }
}
