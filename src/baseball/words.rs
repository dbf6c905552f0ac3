//! The words of the ball game: teams, players and commentary, in English and Korean.
//!
//! All names are invented. A phrase may contain slots such as `{batter}` or `{count}`, which the game fills.
//! Korean phrases put a comma after a name, because the right particle would depend on the name's last sound.

/// One text in both languages.
#[derive(Clone, Copy)]
pub struct Words {
    pub en: &'static str,
    pub ko: &'static str,
}

/// A team and its players.
pub struct Team {
    pub name: Words,
    /// The nine batters, in batting order.
    pub lineup: [Words; 9],
    /// The pitcher, who does not bat.
    pub pitcher: Words,
}

/// A line of commentary, while it is put together.
pub struct Line {
    pub en: String,
    pub ko: String,
}

impl Line {
    /// A line with this phrase, slots still unfilled.
    pub fn new(phrase: Words) -> Line {
        Line {
            en: phrase.en.to_string(),
            ko: phrase.ko.to_string(),
        }
    }

    /// Fills a slot in both languages.
    pub fn fill(self, slot: &str, en: &str, ko: &str) -> Line {
        Line {
            en: self.en.replace(slot, en),
            ko: self.ko.replace(slot, ko),
        }
    }

    /// Fills a slot with a name or a term.
    pub fn fill_name(self, slot: &str, name: Words) -> Line {
        self.fill(slot, name.en, name.ko)
    }

    /// Fills a slot with one or more names.
    pub fn fill_list(self, slot: &str, names: &[Words]) -> Line {
        let en: Vec<&str> = names.iter().map(|name| name.en).collect();
        let ko: Vec<&str> = names.iter().map(|name| name.ko).collect();
        let en = match en.split_last() {
            Some((last, others)) if !others.is_empty() => {
                format!("{} and {last}", others.join(", "))
            }
            _ => en.join(""),
        };
        self.fill(slot, &en, &ko.join(", "))
    }

    /// Appends another sentence.
    pub fn then(self, more: Line) -> Line {
        Line {
            en: format!("{} {}", self.en, more.en),
            ko: format!("{} {}", self.ko, more.ko),
        }
    }
}

/// An English ordinal: 9th, 11th, 21st.
pub fn ordinal(number: usize) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

const fn words(en: &'static str, ko: &'static str) -> Words {
    Words { en, ko }
}

/// The league.
pub static TEAMS: [Team; 8] = [
    Team {
        name: words("Harbor Gulls", "하버 갈매기"),
        lineup: [
            words("Park", "박"),
            words("Seo", "서"),
            words("Namgung", "남궁"),
            words("Castell", "카스텔"),
            words("Oh", "오"),
            words("Baek", "백"),
            words("Ryu", "류"),
            words("Jang", "장"),
            words("Cho", "조"),
        ],
        pitcher: words("Lim", "임"),
    },
    Team {
        name: words("River Herons", "리버 왜가리"),
        lineup: [
            words("Kim", "김"),
            words("Hong", "홍"),
            words("Yoon", "윤"),
            words("Okoro", "오코로"),
            words("Shim", "심"),
            words("Kwak", "곽"),
            words("Moon", "문"),
            words("Bae", "배"),
            words("Jin", "진"),
        ],
        pitcher: words("Hwangbo", "황보"),
    },
    Team {
        name: words("Granite Goats", "그래닛 산양"),
        lineup: [
            words("Choi", "최"),
            words("Song", "송"),
            words("Kang", "강"),
            words("Vidal", "비달"),
            words("Noh", "노"),
            words("Yang", "양"),
            words("Tak", "탁"),
            words("Heo", "허"),
            words("Min", "민"),
        ],
        pitcher: words("Lindqvist", "린드크비스트"),
    },
    Team {
        name: words("Lantern Owls", "랜턴 부엉이"),
        lineup: [
            words("Lee", "이"),
            words("Woo", "우"),
            words("Seonwoo", "선우"),
            words("Marsh", "마시"),
            words("Kwon", "권"),
            words("Jeon", "전"),
            words("Pyo", "표"),
            words("Eom", "엄"),
            words("Hyun", "현"),
        ],
        pitcher: words("Sohn", "손"),
    },
    Team {
        name: words("Maple Badgers", "메이플 오소리"),
        lineup: [
            words("Jung", "정"),
            words("Ahn", "안"),
            words("Cha", "차"),
            words("Hwang", "황"),
            words("Ferro", "페로"),
            words("Yoo", "유"),
            words("Byun", "변"),
            words("Chae", "채"),
            words("Ki", "기"),
        ],
        pitcher: words("Jegal", "제갈"),
    },
    Team {
        name: words("Orchard Magpies", "오처드 까치"),
        lineup: [
            words("Han", "한"),
            words("Shin", "신"),
            words("Goo", "구"),
            words("Dorsey", "도시"),
            words("Joo", "주"),
            words("Yeom", "염"),
            words("Nam", "남"),
            words("Wang", "왕"),
            words("Paeng", "팽"),
        ],
        pitcher: words("Ito", "이토"),
    },
    Team {
        name: words("Copper Hares", "코퍼 산토끼"),
        lineup: [
            words("Ko", "고"),
            words("Sung", "성"),
            words("Dokgo", "독고"),
            words("Abreo", "아브레오"),
            words("Gil", "길"),
            words("Chun", "천"),
            words("Yeo", "여"),
            words("Maeng", "맹"),
            words("Pyeon", "편"),
        ],
        pitcher: words("Seok", "석"),
    },
    Team {
        name: words("Tidal Cranes", "타이달 두루미"),
        lineup: [
            words("Ha", "하"),
            words("Na", "나"),
            words("Choo", "추"),
            words("Whitlow", "휘틀로"),
            words("Seol", "설"),
            words("Yook", "육"),
            words("Gong", "공"),
            words("Ji", "지"),
            words("Myung", "명"),
        ],
        pitcher: words("Sagong", "사공"),
    },
];

pub const START: &[Words] = &[
    words(
        "Play ball! {away} at {home}, {pitcher} on the mound.",
        "플레이볼! {home} 홈 경기, 상대는 {away}, 선발 투수 {pitcher}.",
    ),
    words(
        "Welcome to game {game}: {away} visit {home}. {pitcher} starts.",
        "{game}번째 경기, {away} 대 {home}. 선발 투수 {pitcher}, 경기 시작합니다.",
    ),
    words(
        "The umpire calls play! {home} in the field, {batter} to bat for {away}.",
        "주심의 플레이 선언! {away}의 공격, 첫 타자 {batter}.",
    ),
];

pub const BALL: &[Words] = &[
    words("Ball {balls}.", "볼, {count}."),
    words("Low, {count}.", "낮은 공, 볼. {count}."),
    words("Outside, {count}.", "바깥쪽으로 빠지는 볼, {count}."),
    words("High, ball {balls}.", "높게 들어온 볼, {count}."),
    words(
        "{batter} lays off a slider in the dirt, {count}.",
        "{batter}, 떨어지는 슬라이더를 잘 참았습니다. {count}.",
    ),
    words(
        "{pitcher} just misses inside, {count}.",
        "{pitcher}, 몸쪽으로 살짝 빠졌습니다. {count}.",
    ),
];

pub const STRIKE: &[Words] = &[
    words("Called strike, {count}.", "스트라이크, {count}."),
    words("Swing and a miss, {count}.", "헛스윙, {count}."),
    words(
        "{pitcher} paints the outside corner, {count}.",
        "{pitcher}, 바깥쪽 꽉 찬 스트라이크. {count}.",
    ),
    words(
        "Fastball down the middle, {count}.",
        "한가운데 직구, {count}.",
    ),
    words(
        "{batter} swings through a changeup, {count}.",
        "{batter}, 체인지업에 헛스윙. {count}.",
    ),
    words(
        "A curve drops in for a strike, {count}.",
        "커브가 스트라이크 존에 들어옵니다. {count}.",
    ),
];

pub const FOUL: &[Words] = &[
    words("Foul ball, {count}.", "파울, {count}."),
    words("Fouled straight back, {count}.", "뒤로 가는 파울, {count}."),
    words(
        "{batter} pulls it foul, {count}.",
        "{batter}, 당겼지만 파울. {count}.",
    ),
    words(
        "Into the seats, foul, {count}.",
        "관중석으로 들어가는 파울, {count}.",
    ),
];

/// A foul with two strikes: the count stays.
pub const FOUL_ALIVE: &[Words] = &[
    words(
        "{batter} fouls it off to stay alive, {count}.",
        "{batter}, 파울로 걷어 냅니다. 그대로 {count}.",
    ),
    words(
        "Just a piece of it, and {batter} is still up there, {count}.",
        "{batter}, 간신히 건드려 파울. 여전히 {count}.",
    ),
    words(
        "Another foul, {pitcher} has to throw one more, {count}.",
        "또 파울, {pitcher}, 공 하나를 더 던져야 합니다. {count}.",
    ),
];

pub const WALK: &[Words] = &[
    words(
        "Ball four, {batter} takes first.",
        "볼넷! {batter}, 1루로 걸어 나갑니다.",
    ),
    words(
        "{pitcher} walks {batter}.",
        "{pitcher}, {batter}에게 볼넷을 내줍니다.",
    ),
    words(
        "{batter} works a walk.",
        "{batter}, 끈질기게 볼넷을 골라냅니다.",
    ),
];

pub const HIT_BY_PITCH: &[Words] = &[
    words(
        "{batter} is hit by the pitch and takes first.",
        "{batter}, 몸에 맞는 공으로 출루합니다.",
    ),
    words(
        "It runs inside and catches {batter} on the arm. Hit by pitch.",
        "몸쪽 공이 {batter}의 팔에 맞았습니다. 몸에 맞는 볼.",
    ),
];

pub const STRIKEOUT: &[Words] = &[
    words(
        "{batter} strikes out swinging.",
        "{batter}, 헛스윙 삼진 아웃.",
    ),
    words("{batter} strikes out looking.", "{batter}, 루킹 삼진 아웃."),
    words(
        "{pitcher} strikes out {batter} with a high fastball.",
        "{pitcher}, 높은 직구로 {batter}, 삼진 처리.",
    ),
    words(
        "Strike three! {batter} is caught looking at a curve.",
        "스트라이크 아웃! {batter}, 커브를 지켜만 봤습니다.",
    ),
];

pub const GROUND_OUT: &[Words] = &[
    words(
        "{batter} grounds out to {infield}.",
        "{batter}, {infield} 땅볼 아웃.",
    ),
    words(
        "A bouncer to {infield}, and {batter} is out at first.",
        "{infield} 앞 땅볼, {batter}, 1루에서 아웃.",
    ),
    words(
        "{batter} chops it to {infield}, thrown out.",
        "{batter}, 빗맞은 타구. {infield}, 잡아서 1루 송구 아웃.",
    ),
];

/// The runner from first is out instead of the batter.
pub const FORCE_OUT: &[Words] = &[
    words(
        "{batter} grounds to {infield}, {runner} is forced at second.",
        "{batter}, {infield} 땅볼. 1루 주자 {runner}, 2루에서 포스 아웃.",
    ),
    words(
        "They get {runner} at second, {batter} is safe on the fielder's choice.",
        "야수 선택. 1루 주자 {runner}, 2루에서 아웃. {batter}, 1루에서 세이프.",
    ),
];

pub const POP_OUT: &[Words] = &[
    words(
        "{batter} pops out to {infield}.",
        "{batter}, {infield} 뜬공 아웃.",
    ),
    words(
        "A line drive, right at {infield}. {batter} is out.",
        "잘 맞았지만 {infield} 정면, {batter} 직선타 아웃.",
    ),
];

pub const FLY_OUT: &[Words] = &[
    words(
        "{batter} flies out to {outfield}.",
        "{batter}, {outfield} 뜬공 아웃.",
    ),
    words(
        "{batter} hits it high to {outfield}, and it is caught.",
        "{batter}, 높이 뜬 타구. {outfield}, 잡았습니다. 아웃.",
    ),
    words(
        "A running catch in {outfield} takes a hit from {batter}.",
        "{outfield}, 달려가며 잡아냅니다! {batter}, 안타를 빼앗겼습니다.",
    ),
];

pub const SACRIFICE_FLY: &[Words] = &[
    words(
        "{batter} lifts a sacrifice fly to {outfield}.",
        "{batter}, {outfield} 희생플라이.",
    ),
    words(
        "Deep enough to {outfield}: a sacrifice fly for {batter}.",
        "{outfield} 깊숙한 뜬공, {batter}, 희생플라이를 만들어 냅니다.",
    ),
];

pub const DOUBLE_PLAY: &[Words] = &[
    words(
        "{batter} grounds into a double play, short to second to first.",
        "{batter}, 유격수-2루수-1루수로 이어지는 병살타.",
    ),
    words(
        "Double play! {runner} at second, {batter} at first.",
        "병살! 1루 주자 {runner}, 타자 {batter} 모두 아웃.",
    ),
    words(
        "They turn two on {batter}, second to short to first.",
        "{batter}, 2루수-유격수-1루수 병살타.",
    ),
];

pub const ERROR: &[Words] = &[
    words(
        "The throw is wide, and {batter} is safe on the error.",
        "송구가 빗나갑니다! {batter}, 실책으로 출루.",
    ),
    words(
        "It goes right through the infielder, {batter} reaches on an error.",
        "내야수 다리 사이로 빠집니다. {batter}, 실책으로 출루.",
    ),
    words(
        "Bobbled! No play on {batter}, error.",
        "공을 더듬었습니다! {batter}, 실책으로 1루에서 세이프.",
    ),
];

pub const SINGLE: &[Words] = &[
    words(
        "{batter} singles to {outfield}.",
        "{batter}, {outfield} 앞 안타.",
    ),
    words(
        "A line drive over the infield, base hit for {batter}.",
        "내야를 넘기는 {batter}의 안타.",
    ),
    words(
        "{batter} finds a hole on the ground, a single.",
        "{batter}, 내야를 꿰뚫는 안타.",
    ),
    words(
        "A soft liner drops in, a single for {batter}.",
        "빗맞은 타구가 내야를 넘어 떨어집니다. {batter}, 안타.",
    ),
];

pub const DOUBLE: &[Words] = &[
    words(
        "{batter} doubles into the gap.",
        "{batter}, 외야를 가르는 2루타.",
    ),
    words(
        "Down the line! A double for {batter}.",
        "선상을 타고 흐릅니다! {batter}의 2루타.",
    ),
    words(
        "Off the wall, {batter} is in with a double.",
        "펜스를 맞히는 타구! {batter}, 2루에 안착합니다. 2루타.",
    ),
];

pub const TRIPLE: &[Words] = &[
    words(
        "{batter} goes all the way to third, a triple!",
        "{batter}, 3루까지 달립니다. 3루타!",
    ),
    words(
        "It rolls into the corner, and {batter} has a triple.",
        "구석으로 굴러가는 타구, {batter}의 3루타.",
    ),
];

pub const HOME_RUN: &[Words] = &[
    words(
        "Gone! A {homer} for {batter}.",
        "넘어갔습니다! {batter}의 {homer}.",
    ),
    words(
        "{batter} hits it over the wall in {outfield}, a {homer}!",
        "{batter}, {outfield} 뒤 담장을 넘기는 {homer}!",
    ),
    words(
        "No doubt about it: {batter} with a {homer}.",
        "맞는 순간 알았습니다. {batter}, {homer}.",
    ),
];

pub const CHANGE: &[Words] = &[
    words(
        "To the {half}: {batter} leads off.",
        "공수 교대. {half}, 선두 타자 {batter}.",
    ),
    words(
        "Sides change. {pitcher} takes the mound in the {half}.",
        "공수 교대. {half}, 마운드에는 {pitcher}.",
    ),
    words(
        "On to the {half}, {batter} against {pitcher}.",
        "{half}로 이어집니다. 타자 {batter}, 투수 {pitcher}.",
    ),
];

/// Begins the tenth inning.
pub const EXTRA: &[Words] = &[
    words(
        "Still tied after nine. Extra innings, {batter} leads off.",
        "9회까지 동점, 연장전으로 갑니다. 선두 타자 {batter}.",
    ),
    words(
        "Nine innings were not enough: to the {half}.",
        "9회로는 부족했습니다. 연장 {half} 시작합니다.",
    ),
];

pub const FINAL: &[Words] = &[
    words(
        "That's the ball game: {winner} beat {loser} {score}.",
        "경기 종료. {winner}, {loser} 상대로 {score} 승리.",
    ),
    words(
        "It is over. {winner} win {score}.",
        "경기 끝났습니다. {winner}, {score} 승리.",
    ),
];

/// Ends a game that the home side won at bat.
pub const WALK_OFF: &[Words] = &[
    words(
        "{winner} walk it off, {score}!",
        "끝내기! {winner}, {score} 승리.",
    ),
    words(
        "The winning run is in! {winner} {score}, a walk-off.",
        "결승 득점! {winner}, {score} 끝내기 승리.",
    ),
];

/// Follows each out. Indexed by the number of outs, less one.
pub const OUTS: [Words; 3] = [
    words("One out.", "원아웃."),
    words("Two out.", "투아웃."),
    words("Three out.", "스리아웃."),
];

/// Names of home runs, indexed by the number of runners who score with the batter.
pub const HOMERS: [Words; 4] = [
    words("solo home run", "솔로 홈런"),
    words("two-run homer", "투런 홈런"),
    words("three-run homer", "스리런 홈런"),
    words("grand slam", "만루 홈런"),
];

/// The number of balls in words.
pub const BALLS: [&str; 4] = ["none", "one", "two", "three"];

pub const INFIELD: &[Words] = &[
    words("short", "유격수"),
    words("second", "2루수"),
    words("third", "3루수"),
    words("first", "1루수"),
    words("the pitcher", "투수"),
];

pub const OUTFIELD: &[Words] = &[
    words("left", "좌익수"),
    words("center", "중견수"),
    words("right", "우익수"),
];

pub const ONE_SCORES: Words = words("{runners} scores.", "{runners} 홈인.");
pub const SOME_SCORE: Words = words("{runners} score.", "{runners} 홈인.");
pub const TIED: Words = words("All tied, {score}.", "{score} 동점.");
pub const LEADS: Words = words("{winner} lead {score}.", "{winner}, {score} 리드.");
