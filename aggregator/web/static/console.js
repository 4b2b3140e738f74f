// The console's own script: news from the server, and the charts of a record.
"use strict";

const STALE_MS = 5000;

function follow() {
  if (!document.getElementById("live")) return;
  const stale = document.getElementById("stale");
  let heard = Date.now();
  const news = new EventSource("/events");
  news.onmessage = (event) => {
    heard = Date.now();
    stale.hidden = true;
    if (event.data === "changed") document.body.dispatchEvent(new Event("lotproof:changed"));
  };
  setInterval(() => {
    if (Date.now() - heard < STALE_MS) return;
    stale.textContent = "▲ " + document.body.dataset.stale;
    stale.hidden = false;
  }, 1000);
}

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function within(u, paint) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  paint(ctx, bbox, (value) => u.valToPos(value, "y", true));
  ctx.restore();
}

// The band between the limits, beneath everything; a limit that is not given ends no band.
function band(limits) {
  const low = limits.alert_low ?? limits.action_low;
  const high = limits.alert_high ?? limits.action_high;
  return (u) => within(u, (ctx, bbox, y) => {
    if (low == null && high == null) return;
    const bottom = low == null ? bbox.top + bbox.height : y(low);
    const top = high == null ? bbox.top : y(high);
    ctx.fillStyle = colour("--band");
    ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
  });
}

// Each limit as a line over the grid: action solid, alert dashed, target dotted and quiet.
const LINES = { action: ["--bad", []], alert: ["--warn", [6, 6]], target: ["--quiet", [2, 5]] };

function lines(limits) {
  return (u) => within(u, (ctx, bbox, y) => {
    for (const [name, value] of Object.entries(limits)) {
      if (value == null) continue;
      const [tone, dash] = LINES[name.split("_")[0]];
      ctx.strokeStyle = colour(tone);
      ctx.setLineDash(dash);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y(value));
      ctx.lineTo(bbox.left + bbox.width, y(value));
      ctx.stroke();
    }
  });
}

// Times of a record are UTC wherever the browser stands.
function clock(seconds, fraction) {
  const text = new Date(seconds * 1000).toISOString();
  return text.slice(11, fraction ? 23 : 19);
}

async function chart(place) {
  const response = await fetch(place.dataset.series);
  if (!response.ok) {
    place.textContent = response.status + " " + response.statusText;
    return;
  }
  const { times, values, limits, unit } = await response.json();
  const given = Object.values(limits).filter((value) => value != null);
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 } };
  new uPlot(
    {
      width: place.clientWidth,
      height: 220,
      scales: {
        y: {
          range: (_, low, high) => {
            const all = [low, high, ...given].filter((value) => value != null);
            const least = Math.min(...all);
            const span = Math.max(...all) - least || 1;
            return [least - span * 0.08, least + span * 1.08];
          },
        },
      },
      series: [
        { label: "UTC", value: (_, at) => (at == null ? "–" : clock(at, true)) },
        { label: unit || "–", stroke: colour("--link"), width: 1.5, spanGaps: false },
      ],
      axes: [
        {
          ...axis,
          space: 90,
          values: (_, marks, __, ___, step) => marks.map((at) => clock(at, step < 1)),
        },
        { ...axis, size: 64 },
      ],
      hooks: { drawClear: [band(limits)], drawAxes: [lines(limits)] },
    },
    [times, values],
    place,
  );
}

document.addEventListener("DOMContentLoaded", () => {
  follow();
  document.querySelectorAll("[data-series]").forEach(chart);
});
