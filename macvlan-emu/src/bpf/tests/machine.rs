//! What the kernel does with a program: the check when it is attached (`bpf_check_classic`), and running it.

use vswitch_wire::{EtherType, Tag};

use crate::bpf::build::{AND, JA, JEQ, JGT, JSET, LD_B, LD_H, LD_W, RET, TAX, TXA};
use crate::bpf::{Instruction, MAX_INSTRUCTIONS, Program};

/// A frame as the filter sees it: the outermost tag, TPID and TCI, has been taken off.
pub(super) struct Packet {
    pub(super) bytes: Vec<u8>,
    pub(super) tag: Option<(u16, u16)>,
}

impl Packet {
    pub(super) fn outer(&self) -> Option<Tag> {
        let (tpid, tci) = self.tag?;
        Some(Tag::from_tci(EtherType(tpid), tci))
    }

    /// `None` ends the program with "drop", as a load behind the frame's end does.
    fn load(&self, len: usize, at: u32) -> Option<u32> {
        let (tpid, tci) = self.tag.unwrap_or((0, 0));
        match (len, at) {
            (4, 0xffff_f02c) => return Some(tci.into()),
            (4, 0xffff_f030) => return Some(self.tag.is_some().into()),
            (4, 0xffff_f03c) => return Some(tpid.into()),
            _ => {}
        }
        let at = usize::try_from(at).unwrap();
        let bytes = self.bytes.get(at..at.checked_add(len)?)?;
        Some(
            bytes
                .iter()
                .fold(0, |word, &byte| word << 8 | u32::from(byte)),
        )
    }
}

pub(super) struct Outcome {
    pub(super) passes: bool,
    /// How many instructions it took.
    pub(super) steps: usize,
}

pub(super) fn run(program: &Program, packet: &Packet) -> Outcome {
    let mut a = 0;
    let mut x = 0;
    let mut at = 0;
    let mut steps = 0;
    let ends = |verdict: u32, steps| {
        assert!(matches!(verdict, 0 | u32::MAX), "all of it or nothing");
        Outcome {
            passes: verdict != 0,
            steps,
        }
    };
    loop {
        let Instruction { code, jt, jf, k } = program.instructions()[at];
        at += 1;
        steps += 1;
        let test = match code {
            LD_W | LD_H | LD_B => {
                let len = match code {
                    LD_W => 4,
                    LD_H => 2,
                    _ => 1,
                };
                let Some(word) = packet.load(len, k) else {
                    return ends(0, steps);
                };
                a = word;
                continue;
            }
            AND => {
                a &= k;
                continue;
            }
            TAX => {
                x = a;
                continue;
            }
            TXA => {
                a = x;
                continue;
            }
            JA => {
                at += usize::try_from(k).unwrap();
                continue;
            }
            RET => return ends(k, steps),
            JEQ => a == k,
            JGT => a > k,
            JSET => a & k != 0,
            other => panic!("unknown instruction {other:#x}"),
        };
        at += usize::from(if test { jt } else { jf });
    }
}

pub(super) fn assert_valid(program: &Program) {
    let code = program.instructions();
    assert!(
        (1..=MAX_INSTRUCTIONS).contains(&code.len()),
        "{}",
        code.len()
    );
    assert_eq!(code.last().map(|last| last.code), Some(RET));
    for (
        at,
        &Instruction {
            code: op,
            jt,
            jf,
            k,
        },
    ) in code.iter().enumerate()
    {
        let behind = code.len() - at - 1;
        match op {
            JEQ | JGT | JSET => {
                assert!(usize::from(jt) < behind && usize::from(jf) < behind, "{at}");
            }
            JA => assert!(usize::try_from(k).unwrap() < behind, "{at}"),
            LD_W | LD_H | LD_B | AND | RET | TAX | TXA => assert_eq!((jt, jf), (0, 0), "{at}"),
            other => panic!("unknown instruction {other:#x}"),
        }
    }
}

/// One instruction, roughly as `bpf_dbg` prints it.
pub(super) fn text(instruction: &Instruction) -> String {
    let Instruction { code, jt, jf, k } = *instruction;
    match code {
        LD_W => format!("ld [{}]", k.cast_signed()),
        LD_H => format!("ldh [{}]", k.cast_signed()),
        LD_B => format!("ldb [{}]", k.cast_signed()),
        AND => format!("and {k:#x}"),
        TAX => "tax".to_owned(),
        TXA => "txa".to_owned(),
        JA => format!("ja +{k}"),
        JEQ => format!("jeq {k:#x} +{jt} +{jf}"),
        JGT => format!("jgt {k:#x} +{jt} +{jf}"),
        JSET => format!("jset {k:#x} +{jt} +{jf}"),
        RET => format!("ret {k:#x}"),
        other => format!("{other:#x}"),
    }
}
