//! Levels. Only `total_xp` is stored; the rest is arithmetic.

/// What a player's experience amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// From 1.
    pub level: u32,
    /// Experience gathered at this level.
    pub experience: u64,
    /// Experience this level needs: `1000 + (level - 1) * 100`.
    pub max_experience: u64,
}

/// The level that `total_xp` amounts to.
#[must_use]
pub fn of(total_xp: u64) -> Level {
    let mut level = 1_u32;
    let mut experience = total_xp;
    loop {
        let max_experience = needed(level);
        if experience < max_experience {
            return Level { level, experience, max_experience };
        }
        experience -= max_experience;
        level += 1;
    }
}

const fn needed(level: u32) -> u64 {
    1000 + (level as u64 - 1) * 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_passed_exactly_when_its_experience_is_gathered() {
        for (total_xp, level, experience, max_experience) in [
            (0, 1, 0, 1000),
            (999, 1, 999, 1000),
            (1000, 2, 0, 1100),
            (2099, 2, 1099, 1100),
            (2100, 3, 0, 1200),
        ] {
            assert_eq!(of(total_xp), Level { level, experience, max_experience });
        }
    }
}
