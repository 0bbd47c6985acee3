// Chess positions from the words that the models read: mine in capitals at the bottom, whatever colour they had.

const glyphs = { k: "♚", q: "♛", r: "♜", b: "♝", n: "♞", p: "♟" };
const names = { k: "king", q: "queen", r: "rook", b: "bishop", n: "knight", p: "pawn" };
const square = (name) => [45 * (name.charCodeAt(0) - 97) + 22.5, 45 * (8 - Number(name[1])) + 22.5];
const isMove = (word) => /^[a-h][1-8][a-h][1-8][qrbn]?$/.test(word ?? "");

// Returns the pieces and the move that is asked about, or null where the text is no position.
function position(text) {
  const words = text.split(" ");
  const query = words.indexOf("?");
  if (query < 2 || words.length > query + 2) return null;
  const known = /^([PNBRQKpnbrqk][a-h][1-8]|castle:[KQkq-]+|ep:[a-h-])$/;
  if (!words.slice(0, query).every((word) => known.test(word))) return null;
  const move = words[query + 1];
  if (move !== undefined && !isMove(move)) return null;
  return { pieces: words.slice(0, query).filter((word) => !word.includes(":")), move };
}

function arrow(move, colour, width) {
  const [x1, y1] = square(move.slice(0, 2)), [x2, y2] = square(move.slice(2, 4));
  const length = Math.hypot(x2 - x1, y2 - y1) || 1;
  const [dx, dy] = [(x2 - x1) / length, (y2 - y1) / length];
  const tip = 6 + 1.5 * width, half = 0.6 * tip;
  const [bx, by] = [x2 - dx * tip, y2 - dy * tip];
  return make("g", { fill: colour, stroke: colour, opacity: 0.88 },
    make("line", { x1: x1 + dx * 8, y1: y1 + dy * 8, x2: bx, y2: by, "stroke-width": width, "stroke-linecap": "round" }),
    make("polygon", { points: `${x2},${y2} ${bx - dy * half},${by + dx * half} ${bx + dy * half},${by - dx * half}`, stroke: "none" }));
}

// Returns the moves of two or more completions that are all moves, or null.
function moves(completions) {
  const found = completions.map((each) => each.trim());
  return found.length && found.every(isMove) ? found : null;
}

// arrows: [[move, css colour, what it is]], the widest first, so that equal moves all remain to be seen.
function board(found, arrows, widths = [11, 6.5, 3]) {
  const squares = [];
  for (let rank = 8; rank >= 1; rank--) {
    for (let file = 0; file < 8; file++) {
      squares.push(make("rect", { x: 45 * file, y: 45 * (8 - rank), width: 45, height: 45, fill: (rank + file) % 2 ? "#b5c0ca" : "#eef1f4" }));
    }
  }
  const labels = [...Array(8).keys()].flatMap((i) => [
    make("text", { x: 45 * i + 42, y: 357, "font-size": 9, "text-anchor": "end", fill: "#5b6570" }, "abcdefgh"[i]),
    make("text", { x: 2.5, y: 45 * i + 10, "font-size": 9, fill: "#5b6570" }, String(8 - i)),
  ]);
  const pieces = found.pieces.map((word) => {
    const [x, y] = square(word.slice(1));
    const mine = word[0] < "a";
    return make("text", { x, y: y + 12.5, "font-size": 36, "text-anchor": "middle", fill: mine ? "#ffffff" : "#20262c", stroke: mine ? "#20262c" : "#f4f6f8", "stroke-width": mine ? 1.1 : 0.5 }, glyphs[word[0].toLowerCase()] + "\uFE0E");
  });
  const drawn = arrows.filter(([move]) => isMove(move)).map(([move, colour], i) => arrow(move, colour, widths[i] ?? 3));
  const listed = found.pieces.map((word) => `${word[0] < "a" ? "own" : "other"} ${names[word[0].toLowerCase()]} ${word.slice(1)}`);
  const label = `Chess board, the side to move at the bottom: ${listed.join(", ")}. ` + arrows.map(([move, , what]) => `${what}: ${move}`).join("; ");
  return make("svg", { class: "board", viewBox: "0 0 360 360", role: "img", "aria-label": label }, squares, labels, pieces, drawn);
}
