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

// Bands between the limits, drawn beneath the line; a limit that is not given ends no band.
function bands(limits) {
  return (u) => {
    const { ctx, bbox } = u;
    const y = (value) => u.valToPos(value, "y", true);
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    const low = limits.alert_low ?? limits.action_low;
    const high = limits.alert_high ?? limits.action_high;
    const bottom = low == null ? bbox.top + bbox.height : y(low);
    const top = high == null ? bbox.top : y(high);
    ctx.fillStyle = colour("--band");
    ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
    for (const [name, value] of Object.entries(limits)) {
      if (value == null) continue;
      ctx.strokeStyle = colour(name.startsWith("action") ? "--bad" : "--warn");
      ctx.setLineDash(name.startsWith("action") ? [] : [6, 6]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y(value));
      ctx.lineTo(bbox.left + bbox.width, y(value));
      ctx.stroke();
    }
    ctx.restore();
  };
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
      series: [{}, { label: unit, stroke: colour("--link"), width: 1.5, spanGaps: false }],
      axes: [axis, { ...axis, size: 64 }],
      hooks: { drawClear: [bands(limits)] },
    },
    [times, values],
    place,
  );
}

document.addEventListener("DOMContentLoaded", () => {
  follow();
  document.querySelectorAll("[data-series]").forEach(chart);
});
