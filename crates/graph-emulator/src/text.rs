//! Words in many scripts: what people and assistants say, without markup, URLs or brackets.
//!
//! Every other text of a record is put together from these phrases, so that a link is only where the outline
//! of the record has one.

use std::fmt::{self, Write as _};

use crate::outline::Length;
use crate::random::Chance;

/// A language with some of its phrases.
#[derive(Debug)]
pub(crate) struct Tongue {
    /// `locale` of the records.
    pub(crate) locale: &'static str,
    /// Whole sentences.
    pub(crate) sentences: &'static [&'static str],
    /// Answers of a word.
    pub(crate) tiny: &'static [&'static str],
    /// Names of files, without an ending.
    pub(crate) files: &'static [&'static str],
    /// Names of meetings.
    pub(crate) meetings: &'static [&'static str],
}

/// Appends formatted text.
pub(crate) fn append(text: &mut String, written: fmt::Arguments<'_>) {
    text.write_fmt(written).expect("a String takes all it is given");
}

/// Sentences between two paragraphs.
const SENTENCES_PER_PARAGRAPH: u64 = 4;

const EMOJI: [&str; 8] = ["👍🏽", "👩🏾‍🚀", "🏳️‍🌈", "👨‍👩‍👧‍👦", "🎉", "🧑‍💻", "❤️‍🔥", "🇺🇦"];

/// English, in which two of five sessions are held.
const ENGLISH: usize = 0;

/// The tongue of a session.
pub(crate) fn tongue(chance: &mut Chance) -> &'static Tongue {
    let any = usize::try_from(chance.below(TONGUES.len() as u64)).unwrap_or(ENGLISH);
    &TONGUES[if chance.percent(40) { ENGLISH } else { any }]
}

/// A sentence, now and then with an emoji at its end.
pub(crate) fn sentence(tongue: &Tongue, chance: &mut Chance) -> String {
    let sentence = chance.pick(tongue.sentences);
    if chance.percent(4) { format!("{sentence} {}", chance.pick(&EMOJI)) } else { sentence.to_owned() }
}

/// Paragraphs of a length; within a paragraph there is no line break.
pub(crate) fn paragraphs(tongue: &Tongue, length: Length, chance: &mut Chance) -> Vec<String> {
    let bytes = match length {
        Length::Tiny => return vec![tiny(tongue, chance)],
        Length::Short => chance.between(40, 200),
        Length::Medium => chance.between(350, 1_100),
        Length::Long => chance.between(20_000, 60_000),
    };
    let mut paragraphs = vec![String::new()];
    let (mut written, mut sentences) = (0, 0);
    while written < bytes {
        if sentences > 0 && sentences % SENTENCES_PER_PARAGRAPH == 0 {
            paragraphs.push(String::new());
        }
        let said = sentence(tongue, chance);
        written += said.len() as u64 + 1;
        sentences += 1;
        let paragraph = paragraphs.last_mut().expect("a text has a first paragraph");
        if !paragraph.is_empty() {
            paragraph.push(' ');
        }
        paragraph.push_str(&said);
    }
    paragraphs
}

fn tiny(tongue: &Tongue, chance: &mut Chance) -> String {
    if chance.percent(20) { (chance.pick(&EMOJI)).to_owned() } else { (chance.pick(tongue.tiny)).to_owned() }
}

pub(crate) static TONGUES: [Tongue; 16] = [
    Tongue {
        locale: "en-us",
        sentences: &[
            "What should be on my radar for the steering committee on Thursday?",
            "The supplier confirmed the new delivery date, but the price list is still open.",
            "You asked for a comparison of the three offers; the second one is cheaper over five years.",
            "Summarize the discussion about the budget and list who owes what by when.",
            "There were 4 open questions at the end, and two of them need a decision from legal & finance.",
            "Draft a friendly reply that says we're interested but can't commit before the end of Q1.",
            "The numbers in column D don't add up: 12 < 15, yet the total says \"on target\".",
            "Let me know if you'd like me to turn this into a slide or a short message to the team.",
        ],
        tiny: &["ok", "Thanks!", "yes", "Again, shorter", "42"],
        files: &["Quarterly Review", "Onboarding Handbook v3", "Price List 2026"],
        meetings: &["Weekly sync", "Steering committee - November", "Launch readiness review"],
    },
    Tongue {
        locale: "de-de",
        sentences: &[
            "Fasse bitte die Ergebnisse der gestrigen Besprechung in drei Stichpunkten zusammen.",
            "Die Größe der Stückzahlen für Süddeutschland fehlt noch, die übrigen Werte sind geprüft.",
            "Außerdem müsste die Geschäftsführung der Änderung vor dem 15. März zustimmen.",
            "Möchten Sie, dass ich daraus eine E-Mail an das Projektteam entwerfe?",
        ],
        tiny: &["ja", "Danke schön", "kürzer"],
        files: &["Übersicht Maßnahmen", "Angebotsvergleich"],
        meetings: &["Jour fixe", "Lenkungsausschuss"],
    },
    Tongue {
        locale: "fr-fr",
        sentences: &[
            "Peux-tu résumer les échanges d'hier et relever les points encore à trancher ?",
            "Le prestataire s'est engagé à livrer l'élément manquant d'ici la fin du mois d'août.",
            "Où en est-on côté budget, et qu'a décidé l'équipe à propos du calendrier ?",
            "« Rien n'est figé », a précisé la cheffe de projet à l'issue de la réunion.",
        ],
        tiny: &["oui", "D'accord", "Merci !"],
        files: &["Synthèse à relire", "Procès-verbal"],
        meetings: &["Réunion d'équipe", "Comité de pilotage"],
    },
    Tongue {
        locale: "pl-pl",
        sentences: &[
            "Zażółć gęślą jaźń: przygotuj krótkie podsumowanie wczorajszego spotkania.",
            "Łączny koszt wzrósł o 7%, głównie z powodu wyższych cen części.",
            "Następny krok to uzgodnienie umowy z działem prawnym do końca tygodnia.",
        ],
        tiny: &["tak", "Dziękuję", "krócej"],
        files: &["Umowa końcowa", "Zestawienie kosztów"],
        meetings: &["Spotkanie zespołu"],
    },
    Tongue {
        locale: "tr-tr",
        sentences: &[
            "Dünkü toplantının özetini çıkarıp İstanbul ofisine gönderilecek bir ileti hazırlar mısın?",
            "Işıl Hanım, ölçümlerin yeniden yapılması gerektiğini söyledi.",
            "Değişiklikler onaylanırsa çalışma önümüzdeki hafta başlayacak.",
        ],
        tiny: &["evet", "Teşekkürler"],
        files: &["Özet Çizelge"],
        meetings: &["Haftalık görüşme"],
    },
    Tongue {
        locale: "vi-vn",
        sentences: &[
            "Hãy tóm tắt cuộc họp hôm qua và liệt kê những việc cần làm tiếp theo.",
            "Nhà cung cấp đã xác nhận ngày giao hàng mới, nhưng giá vẫn chưa được thống nhất.",
            "Bạn có muốn tôi chuyển nội dung này thành một bài trình bày ngắn không?",
        ],
        tiny: &["vâng", "Cảm ơn"],
        files: &["Báo cáo quý"],
        meetings: &["Họp nhóm hằng tuần"],
    },
    Tongue {
        locale: "el-gr",
        sentences: &[
            "Συνόψισε τη χθεσινή συζήτηση και σημείωσε ποιος πρέπει να κάνει τι.",
            "Ο προμηθευτής επιβεβαίωσε τη νέα ημερομηνία παράδοσης, όχι όμως και την τιμή.",
            "Θέλετε να ετοιμάσω ένα σύντομο μήνυμα προς την ομάδα;",
        ],
        tiny: &["ναι", "Ευχαριστώ"],
        files: &["Σύνοψη έργου"],
        meetings: &["Εβδομαδιαία σύσκεψη"],
    },
    Tongue {
        locale: "uk-ua",
        sentences: &[
            "Підсумуй учорашню нараду й випиши відкриті питання.",
            "Постачальник підтвердив нову дату, проте ґанок і під'їзд ще не готові.",
            "Чи підготувати коротке повідомлення для команди?",
        ],
        tiny: &["так", "Дякую"],
        files: &["Звіт за квартал"],
        meetings: &["Щотижнева нарада"],
    },
    Tongue {
        locale: "ru-ru",
        sentences: &[
            "Составь краткое изложение переписки и перечисли открытые вопросы.",
            "Смета выросла на 7 %, в основном из-за стоимости комплектующих.",
            "Ещё раз проверьте объём поставки: в таблице указано другое число.",
        ],
        tiny: &["да", "Спасибо"],
        files: &["Сводная таблица"],
        meetings: &["Планёрка"],
    },
    Tongue {
        locale: "ar-sa",
        sentences: &[
            "لخّص اجتماع الأمس واذكر المهام المفتوحة ومن المسؤول عنها.",
            "أكّد المورّد موعد التسليم الجديد، لكن الأسعار لم تُحسم بعد.",
            "هل تريد أن أحوّل هذا إلى رسالة قصيرة للفريق؟",
        ],
        tiny: &["نعم", "شكرًا"],
        files: &["تقرير الربع الأول"],
        meetings: &["الاجتماع الأسبوعي"],
    },
    Tongue {
        locale: "he-il",
        sentences: &[
            "סכם את הדיון מאתמול וציין מי אחראי לכל משימה.",
            "הספק אישר את מועד האספקה החדש, אך המחיר עדיין פתוח.",
            "האם להכין מזה הודעה קצרה לצוות?",
        ],
        tiny: &["כן", "תודה"],
        files: &["סיכום פרויקט"],
        meetings: &["פגישה שבועית"],
    },
    Tongue {
        locale: "hi-in",
        sentences: &[
            "कल की बैठक का सारांश बनाइए और शेष कार्यों की सूची दीजिए।",
            "आपूर्तिकर्ता ने नई तिथि की पुष्टि की है, पर मूल्य अभी तय नहीं है।",
            "क्या मैं इसे टीम के लिए एक छोटे संदेश में बदल दूँ?",
        ],
        tiny: &["हाँ", "धन्यवाद"],
        files: &["तिमाही रिपोर्ट"],
        meetings: &["साप्ताहिक बैठक"],
    },
    Tongue {
        locale: "th-th",
        sentences: &[
            "ช่วยสรุปการประชุมเมื่อวานและระบุงานที่ยังค้างอยู่",
            "ผู้จัดจำหน่ายยืนยันวันส่งมอบใหม่แล้วแต่ยังไม่ตกลงเรื่องราคา",
            "ต้องการให้ทำเป็นข้อความสั้นถึงทีมไหม",
        ],
        tiny: &["ใช่", "ขอบคุณ"],
        files: &["รายงานประจำไตรมาส"],
        meetings: &["ประชุมทีมประจำสัปดาห์"],
    },
    Tongue {
        locale: "zh-cn",
        sentences: &[
            "请总结昨天的会议,并列出尚未解决的问题。",
            "供应商已确认新的交货日期,但价格仍在商谈之中。",
            "需要我把这些内容改写成一封发给团队的简短邮件吗?",
        ],
        tiny: &["好的", "谢谢"],
        files: &["季度报告"],
        meetings: &["项目周会"],
    },
    Tongue {
        locale: "ja-jp",
        sentences: &[
            "昨日の会議の要点を三つにまとめ、未決事項を挙げてください。",
            "仕入先は新しい納期を確認しましたが、価格はまだ決まっていません。",
            "この内容をチーム宛ての短いメッセージにしましょうか。",
        ],
        tiny: &["はい", "ありがとう"],
        files: &["四半期レポート"],
        meetings: &["定例会議"],
    },
    Tongue {
        locale: "ko-kr",
        sentences: &[
            "어제 회의 내용을 요약하고 남은 과제를 정리해 주세요.",
            "공급업체가 새 납기일을 확인했지만 가격은 아직 정해지지 않았습니다.",
            "이 내용을 팀에 보낼 짧은 메시지로 바꿀까요?",
        ],
        tiny: &["네", "감사합니다"],
        files: &["분기 보고서"],
        meetings: &["주간 회의"],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{EMOJI, TONGUES, paragraphs};
    use crate::outline::Length;
    use crate::random::Chance;

    #[test]
    fn phrases_hold_no_markup() {
        for tongue in &TONGUES {
            for phrase in [tongue.sentences, tongue.tiny, tongue.files, tongue.meetings].concat() {
                for mark in ["[", "]", "](", "http", "www.", "*", "_", "`", "\n"] {
                    assert!(!phrase.contains(mark), "{phrase}");
                }
            }
        }
        assert!(EMOJI.iter().any(|emoji| emoji.contains('\u{200D}')));
        let locales: BTreeSet<_> = TONGUES.iter().map(|tongue| tongue.locale).collect();
        assert_eq!(locales.len(), TONGUES.len());
    }

    #[test]
    fn lengths_are_kept() {
        let mut chance = Chance::from_state(1);
        for tongue in &TONGUES {
            let mut bytes =
                |length| paragraphs(tongue, length, &mut chance).iter().map(String::len).sum::<usize>();
            assert!((1..60).contains(&bytes(Length::Tiny)));
            assert!((40..600).contains(&bytes(Length::Short)));
            assert!((200..1_800).contains(&bytes(Length::Medium)));
            assert!((19_000..64_000).contains(&bytes(Length::Long)));
        }
    }
}
