'use strict';
(() => {
  const main = document.getElementById('page');
  const live = document.getElementById('live');
  const how = document.getElementById('how');
  const clock = document.getElementById('clock');
  const lost = document.getElementById('lost');
  const allow = { createHTML: (s) => s };
  const policy = window.trustedTypes ? trustedTypes.createPolicy('hale', allow) : allow;
  const pollEvery = 2000, quietAfter = 3000, staleAfter = 5000, streamAgain = 15;
  let stream, timer, turn = 0, last = Date.now(), gone = false;

  // show takes over what has changed. Nodes that stay are left in place, and with
  // them the focus, a selection, and what was opened.
  function show(html) {
    const next = new DOMParser().parseFromString(policy.createHTML(html), 'text/html').getElementById('page');
    if (!next) return;
    patch(main, next);
    document.title = main.dataset.title;
    clock.textContent = main.dataset.at;
    last = Date.now();
    tell();
  }

  const keyOf = (n) => (n.dataset && n.dataset.key) || '';
  const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && keyOf(a) === keyOf(b);

  function patch(a, b) {
    if (a.nodeType !== Node.ELEMENT_NODE) {
      if (a.nodeValue !== b.nodeValue) a.nodeValue = b.nodeValue;
      return;
    }
    for (const { name } of [...a.attributes]) {
      if (name !== 'open' && !b.hasAttribute(name)) a.removeAttribute(name);
    }
    for (const { name, value } of b.attributes) {
      if (a.getAttribute(name) !== value) a.setAttribute(name, value);
    }
    const wanted = new Set([...b.children].map(keyOf));
    for (const n of [...a.children]) {
      if (keyOf(n) && !wanted.has(keyOf(n))) n.remove();
    }
    const keyed = new Map([...a.children].filter(keyOf).map((n) => [n.nodeName + keyOf(n), n]));
    let at = a.firstChild;
    for (const want of [...b.childNodes]) {
      let have = at;
      if (keyOf(want)) have = keyed.get(want.nodeName + keyOf(want));
      else while (have && keyOf(have)) have = have.nextSibling;
      if (!have || !alike(have, want)) {
        a.insertBefore(document.importNode(want, true), at);
        continue;
      }
      if (have === at) at = at.nextSibling;
      else a.insertBefore(have, at);
      patch(have, want);
    }
    while (at) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
  }

  // tell says whether what is shown is new.
  function tell() {
    const stale = Date.now() - last > staleAfter;
    const off = document.hidden ? 'paused since' : !stale ? '' : gone ? 'gone since' : 'no answer since';
    live.className = off ? 'live off' : 'live on';
    how.textContent = off || (stream ? 'live' : 'asking again and again');
    const text = !stale || document.hidden ? '' : gone ? 'This pool is gone' : 'The program does not answer';
    if (lost.textContent !== text) lost.textContent = text;
    document.body.classList.toggle('stale', stale);
  }

  function listen() {
    stop();
    if (!window.EventSource) return poll(0);
    stream = new EventSource(location.pathname + location.search);
    stream.addEventListener('page', (e) => show(e.data));
    stream.addEventListener('error', () => {
      if (!stream || stream.readyState !== EventSource.CLOSED) return; // it comes back by itself
      stream = undefined;
      poll(0);
    });
  }

  // poll is for a server that cannot stream, or has enough of them.
  async function poll(n) {
    const mine = turn;
    try {
      const answer = await fetch(location.href, { headers: { Accept: 'text/html' }, cache: 'no-store' });
      gone = answer.status === 404;
      if (answer.ok && turn === mine) show(await answer.text());
    } catch { /* the next may succeed */ }
    if (turn !== mine) return;
    timer = setTimeout(() => (n + 1 < streamAgain ? poll(n + 1) : listen()), pollEvery);
  }

  // listenOrPoll gives up a stream that brings nothing: what is between (a proxy, a
  // middleware that compresses) may hold it back.
  function listenOrPoll() {
    if (!stream || Date.now() - last < quietAfter) return;
    stop();
    poll(0);
  }

  function stop() {
    turn++;
    clearTimeout(timer);
    if (stream) stream.close();
    stream = undefined;
  }

  document.addEventListener('visibilitychange', () => {
    if (document.hidden) stop();
    else listen();
    tell();
  });
  addEventListener('pagehide', stop);
  addEventListener('pageshow', (e) => { if (e.persisted) listen(); });
  setInterval(() => { listenOrPoll(); tell(); }, 1000);
  if (!document.hidden) listen();
})();
