//! HTML to text: one line per case.

use promptlake_cards::{TextLink, html_to_text};

fn check(html: &str, text: &str) {
    assert_eq!(html_to_text(html).text, text, "{html:?}");
}

#[test]
fn blocks_are_separated_by_a_blank_line_and_white_space_collapses() {
    check("plain", "plain");
    check("", "");
    check("<p>a</p>\n<p>b  c\n d</p>", "a\n\nb c d");
    check("<div><div>a</div></div><div>b</div>", "a\n\nb");
    check("a<br>b<br/>c", "a\nb\nc");
    check("<h1>T</h1>text <b>bold</b>, <i>it</i>", "T\n\ntext bold, it");
    check("a<hr>b", "a\n\nb");
    check("<p></p><p> </p>a<p></p>", "a");
    check("a &amp; &lt;b&gt;&nbsp;&eacute;", "a & <b>\u{a0}é");
    check("<p>Hi <at id=\"0\">Jo Doe</at>!</p>", "Hi Jo Doe!");
    check("no <unknown>tag</unknown>", "no tag");
}

#[test]
fn lists_keep_their_marks() {
    check("a<ul><li>b<li>c</ul>d", "a\n\n- b\n- c\n\nd");
    check("<ol start=3><li>a</li><li>b</li></ol>", "3. a\n4. b");
    check("<ul><li>a<ol><li>b</li></ol></li><li>c</li></ul>", "- a\n  1. b\n- c");
    check("<ul><li><p>a</p></li><li><p>b</p><p>c</p></li></ul>", "- a\n- b\n\n  c");
    check("<li>a", "- a");
    check("</ul></li></ol>a", "a");
}

#[test]
fn tables_are_separated_by_tabs() {
    check(
        "<table><tr><th>a</th><th>b</th></tr><tr><td></td><td>c<br>d</td></tr></table>e",
        "a\tb\n\tc d\n\ne",
    );
    check("<table><tr><td><p>a</p><td> b </td></table>", "a\tb");
    check("<table><tr><td>a</table><p>b</p><p>c</p>", "a\n\nb\n\nc");
}

#[test]
fn preformatted_text_is_verbatim() {
    check("a<pre>\n  b\n\n  c\n</pre>d", "a\n\n  b\n\n  c\n\nd");
    check("<pre>a\n</pre>", "a");
    check("<pre><a href=x>a\n\n</pre>é</a>", "a\n\né");
    check("<pre>a\n<a href=x>\n</pre>é</a>b", "a\n\néb");
}

#[test]
fn undisplayed_content_is_dropped() {
    check("a<script>b < c</script><style>d</style><title>e</title>f<!-- g -->", "af");
    check("a<style>b", "a");
    check("<img alt='a chart' src=x> b <img src=y>", "a chart b");
    check("<emoji id=smile alt=\"😊\" title=Smile></emoji>", "😊");
}

#[test]
fn markers_stay_in_one_spelling() {
    let marker = "<attachment id=\"x&amp;y\"></attachment>";
    check("<p>a</p><attachment id='x&amp;y'></attachment>", &format!("a\n\n{marker}"));
    check("<ATTACHMENT ID=\"x&amp;y\"/>", marker);
    check("&lt;attachment id=\"x\"&gt;&lt;/attachment&gt;", "<attachment id=\"x\"></attachment>");
}

#[test]
fn links_give_their_label() {
    let found = html_to_text(
        "<a href='https://a.example/?b&amp;c'>d <b>e</b></a> <a>f</a> <a href=g>h<a href=i>1</a> <a href>j",
    );
    let link = |url: &str, label: &str| TextLink {
        url: url.to_owned(),
        label: label.to_owned(),
        // Only markdown has citations.
        citation_number: None,
        is_image: false,
    };
    assert_eq!(found.text, "d e f h1 j");
    let links = [link("https://a.example/?b&c", "d e"), link("g", "h"), link("i", "1"), link("", "j")];
    assert_eq!(found.links, links);
}

#[test]
fn pictures_and_bare_urls_are_links_as_well() {
    let found = html_to_text(
        "<img src='data:image/png;base64,AA' alt='a chart'> see https://a.example/b. <a href=c>https://d.example</a> <img src=e><img>",
    );
    assert_eq!(found.text, "a chart see https://a.example/b. https://d.example");
    let links = found.links.iter().map(|link| (link.url.as_str(), link.label.as_str(), link.is_image));
    assert!(links.eq([
        ("data:image/png;base64,AA", "a chart", true),
        ("https://a.example/b", "https://a.example/b", false),
        ("c", "https://d.example", false),
        ("e", "", true),
    ]));
}

#[test]
fn hostile_html_stays_linear_and_within_the_stack() {
    let count = 50_000;
    for unit in [
        "<div>",
        "<ul><li>",
        "<a href=x>a",
        "<a ",
        "<",
        "&",
        "<td>",
        "<table>",
        "<pre>\n",
        "<p a=b c=d ",
        "<!--",
        "</li>",
    ] {
        let found = html_to_text(&unit.repeat(count));
        assert!(found.text.len() <= 64 * count, "{unit:?} grew to {}", found.text.len());
    }
}
