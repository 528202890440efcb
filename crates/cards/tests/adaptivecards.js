// What Microsoft's own library reads of cards: for each file, a line of JSON with its texts, those among them that are
// displayed in reading order, its URLs, and how much of the card the library does not know.
//
//     node adaptivecards.js <folder of the package> <card.json>…

const fs = require("fs");
const path = require("path");

const [folder, ...files] = process.argv.slice(2);
const library = require(path.join(folder, "dist/adaptivecards.js"));

const TEXTS = new Set([
    "fallbackText", "speak", "text", "label", "title", "placeholder", "value", "errorMessage", "altText", "tooltip", "verb",
]);
const URLS = new Set(["url", "iconUrl", "poster", "image"]);
const DISPLAYED = [library.TextBlock, library.TextRun, library.Fact];

function list(object, count, at) {
    return object[count] ? Array.from({ length: object[count]() }, (_, index) => object[at](index)) : [];
}

// The members that the library's own schema names.
function members(object) {
    const schema = object.getSchema();
    return list(schema, "getCount", "getItemAt").map(property => [property.name, object.getValue(property)]);
}

// What it reads in another way than by its schema.
function children(object) {
    const counted = ["Inline", "Item", "Action"].flatMap(what => list(object, `get${what}Count`, `get${what}At`));
    return object instanceof library.ShowCardAction ? [...counted, object.card] : counted;
}

function take(object, name, value, isVisible, found) {
    const isValue = name === "value";
    if (URLS.has(name) || (isValue && object instanceof library.AuthCardButton)) {
        found.urls.push(value);
    } else if (TEXTS.has(name) && !(isValue && object instanceof library.Choice)) {
        found.texts.push(value);
        if (isVisible && DISPLAYED.some(type => object instanceof type)) {
            found.displayed.push({ id: object.id ?? "", text: value });
        }
    }
}

function walk(object, isVisible, found, seen) {
    if (!(object instanceof library.SerializableObject) || seen.has(object)) {
        return;
    }
    seen.add(object);
    const isShown = isVisible && object.isVisible !== false;
    const all = members(object);
    for (const [name, value] of all) {
        if (typeof value === "string" && value !== "") {
            take(object, name, value, isShown, found);
        }
    }
    for (const child of [...all.flatMap(([, value]) => value), ...children(object)]) {
        walk(child, isShown, found, seen);
    }
}

for (const file of files) {
    const card = new library.AdaptiveCard();
    const context = new library.SerializationContext();
    card.parse(JSON.parse(fs.readFileSync(file, "utf8")), context);
    const messages = Array.from({ length: context.eventCount }, (_, index) => context.getEventAt(index).message);
    const unknown = messages.filter(message => message.startsWith("Unknown ")).length;
    const found = { texts: [], displayed: [], urls: card.getResourceInformation().map(it => it.url), unknown };
    walk(card, true, found, new Set());
    console.log(JSON.stringify(found));
}
