//! Instructions from the last to the first.
//!
//! Classic BPF only jumps forward. Written backwards, every target is there before the jump to it, its distance is
//! known, and nothing has to be patched: where it is too far for the eight bits of a conditional jump, a long jump (or
//! a copy of the `ret` that it would lead to) goes in between, and is used again by whoever is near it.

use hashbrown::HashMap;

use super::Instruction;

/// `ld` of 32, 16 or 8 bits at an absolute offset, big-endian.
pub(super) const LD_W: u16 = 0x20;
pub(super) const LD_H: u16 = 0x28;
pub(super) const LD_B: u16 = 0x30;
pub(super) const AND: u16 = 0x54;
pub(super) const JA: u16 = 0x05;
pub(super) const JEQ: u16 = 0x15;
pub(super) const JGT: u16 = 0x25;
pub(super) const JSET: u16 = 0x45;
pub(super) const RET: u16 = 0x06;
/// From the accumulator to the index register, and back.
pub(super) const TAX: u16 = 0x07;
pub(super) const TXA: u16 = 0x87;

/// How many keys are compared one after the other before a search branches.
const LEAF: usize = 8;

/// An instruction that is there; counted from the program's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Label(usize);

#[derive(Debug, Default)]
pub(super) struct Builder {
    /// The last first.
    code: Vec<Instruction>,
    /// Long jumps by where they lead, the latest of each.
    stepping_stones: HashMap<Label, Label>,
}

impl Builder {
    /// Ends the program with this verdict.
    pub(super) fn ret(&mut self, k: u32) -> Label {
        self.push(RET, k, 0, 0)
    }

    /// An instruction that is followed by `next`.
    pub(super) fn then(&mut self, code: u16, k: u32, next: Label) -> Label {
        if next.0 + 1 != self.code.len() {
            self.stepping_stone(next);
        }
        self.push(code, k, 0, 0)
    }

    /// A test of the accumulator against `k`.
    pub(super) fn branch(&mut self, code: u16, k: u32, yes: Label, no: Label) -> Label {
        // Both stones go in before the test, so the first one must do with one more in between.
        let yes = self.reach(yes, 1);
        let no = self.reach(no, 0);
        let (jt, jf) = (self.distance(yes), self.distance(no));
        debug_assert!(jt.is_some() && jf.is_some(), "both were made reachable");
        self.push(code, k, jt.unwrap_or(0), jf.unwrap_or(0))
    }

    /// Whether a test that is made soon reaches this; "soon" is one leaf of a search with all it needs.
    pub(super) fn is_near(&self, label: Label) -> bool {
        self.code.len() - label.0 < 200
    }

    /// Looks for the accumulator among `keys`, which are sorted: goes where `found` says, or to `miss`.
    pub(super) fn search(
        &mut self,
        keys: &[u32],
        found: &mut dyn FnMut(&mut Self, u32) -> Label,
        miss: Label,
    ) -> Label {
        if let (Some((&pivot, _)), true) = (
            keys.get(..keys.len().div_ceil(2))
                .and_then(<[u32]>::split_last),
            keys.len() > LEAF,
        ) {
            let (low, high) = keys.split_at(keys.len().div_ceil(2));
            let above = self.search(high, found, miss);
            let below = self.search(low, found, miss);
            return self.branch(JGT, pivot, above, below);
        }
        let targets: Vec<Label> = keys.iter().map(|&key| found(self, key)).collect();
        let mut next = miss;
        for (&key, &target) in keys.iter().zip(&targets).rev() {
            next = self.branch(JEQ, key, target, next);
        }
        next
    }

    /// The instructions in order, beginning with `start`.
    pub(super) fn finish(mut self, start: Label) -> Vec<Instruction> {
        if start.0 + 1 != self.code.len() {
            self.stepping_stone(start);
        }
        self.code.reverse();
        self.code
    }

    fn push(&mut self, code: u16, k: u32, jt: u8, jf: u8) -> Label {
        self.code.push(Instruction { code, jt, jf, k });
        Label(self.code.len() - 1)
    }

    /// How far it is from the next instruction that is pushed; `None` when too far for a test.
    fn distance(&self, to: Label) -> Option<u8> {
        u8::try_from(self.code.len() - to.0 - 1).ok()
    }

    /// `to`, or a long jump to it, that a test reaches even with `more` instructions in between.
    fn reach(&mut self, to: Label, more: usize) -> Label {
        let near = |label: &Label| self.code.len() + more - label.0 - 1 <= usize::from(u8::MAX);
        if near(&to) {
            return to;
        }
        if let Some(stone) = self.stepping_stones.get(&to).copied().filter(near) {
            return stone;
        }
        self.stepping_stone(to)
    }

    fn stepping_stone(&mut self, to: Label) -> Label {
        let stone = match self.code.get(to.0).copied() {
            Some(Instruction { code: RET, k, .. }) => self.ret(k),
            Some(_) | None => {
                // No program is ever four thousand million instructions long.
                let far = u32::try_from(self.code.len() - to.0 - 1).unwrap_or(u32::MAX);
                self.push(JA, far, 0, 0)
            }
        };
        self.stepping_stones.insert(to, stone);
        stone
    }
}
