/** The files of the page as texts within the program: serving them reads nothing from the disk. */

import accountScript from "./page/account.js" with { type: "text" }
import administrationScript from "./page/administration.js" with { type: "text" }
import apiScript from "./page/api.js" with { type: "text" }
import askerScript from "./page/asker.js" with { type: "text" }
import auditWordsScript from "./page/auditWords.js" with { type: "text" }
import baseStyle from "./page/base.css" with { type: "text" }
import changesScript from "./page/changes.js" with { type: "text" }
import contentScript from "./page/content.js" with { type: "text" }
import contentSearchScript from "./page/contentSearch.js" with { type: "text" }
import controlsStyle from "./page/controls.css" with { type: "text" }
import detailsScript from "./page/details.js" with { type: "text" }
import dialogsStyle from "./page/dialogs.css" with { type: "text" }
import domScript from "./page/dom.js" with { type: "text" }
import dropScript from "./page/drop.js" with { type: "text" }
import dueScript from "./page/due.js" with { type: "text" }
import editorScript from "./page/editor.js" with { type: "text" }
import experimentsScript from "./page/experiments.js" with { type: "text" }
import expiryScript from "./page/expiry.js" with { type: "text" }
import fileActionsScript from "./page/fileActions.js" with { type: "text" }
import filesStyle from "./page/files.css" with { type: "text" }
import focusScript from "./page/focus.js" with { type: "text" }
import healthScript from "./page/health.js" with { type: "text" }
import healthWordsScript from "./page/healthWords.js" with { type: "text" }
import iconsScript from "./page/icons.js" with { type: "text" }
import index from "./page/index.html" with { type: "text" }
import kindsScript from "./page/kinds.js" with { type: "text" }
import layoutStyle from "./page/layout.css" with { type: "text" }
import listScript from "./page/list.js" with { type: "text" }
import listViewScript from "./page/listView.js" with { type: "text" }
import loadingScript from "./page/loading.js" with { type: "text" }
import mainScript from "./page/main.js" with { type: "text" }
import menuScript from "./page/menu.js" with { type: "text" }
import messageScript from "./page/message.js" with { type: "text" }
import placeScript from "./page/place.js" with { type: "text" }
import rowScript from "./page/row.js" with { type: "text" }
import rowsScript from "./page/rows.js" with { type: "text" }
import searchStyle from "./page/search.css" with { type: "text" }
import selectionScript from "./page/selection.js" with { type: "text" }
import serviceStyle from "./page/service.css" with { type: "text" }
import sessionsScript from "./page/sessions.js" with { type: "text" }
import sessionViewScript from "./page/sessionView.js" with { type: "text" }
import storageChangesScript from "./page/storageChanges.js" with { type: "text" }
import tablesScript from "./page/tables.js" with { type: "text" }
import textStateScript from "./page/textState.js" with { type: "text" }
import textsScript from "./page/texts.js" with { type: "text" }
import thumbnailsScript from "./page/thumbnails.js" with { type: "text" }
import timelineScript from "./page/timeline.js" with { type: "text" }
import toastStyle from "./page/toast.css" with { type: "text" }
import trailScript from "./page/trail.js" with { type: "text" }
import transferScript from "./page/transfer.js" with { type: "text" }
import unsavedScript from "./page/unsaved.js" with { type: "text" }
import uploadQueueScript from "./page/uploadQueue.js" with { type: "text" }
import uploadRequestScript from "./page/uploadRequest.js" with { type: "text" }
import uploadViewScript from "./page/uploadView.js" with { type: "text" }
import viewerStyle from "./page/viewer.css" with { type: "text" }
import viewerScript from "./page/viewer.js" with { type: "text" }
import viewerPlaceScript from "./page/viewerPlace.js" with { type: "text" }
import wordsScript from "./page/words.js" with { type: "text" }

export { index }

export const styles: Readonly<Record<string, string>> = {
  base: baseStyle,
  controls: controlsStyle,
  dialogs: dialogsStyle,
  files: filesStyle,
  layout: layoutStyle,
  search: searchStyle,
  service: serviceStyle,
  toast: toastStyle,
  viewer: viewerStyle
}

export const scripts: Readonly<Record<string, string>> = {
  account: accountScript,
  administration: administrationScript,
  api: apiScript,
  asker: askerScript,
  auditWords: auditWordsScript,
  changes: changesScript,
  content: contentScript,
  contentSearch: contentSearchScript,
  details: detailsScript,
  dom: domScript,
  drop: dropScript,
  due: dueScript,
  editor: editorScript,
  experiments: experimentsScript,
  expiry: expiryScript,
  fileActions: fileActionsScript,
  focus: focusScript,
  health: healthScript,
  healthWords: healthWordsScript,
  icons: iconsScript,
  kinds: kindsScript,
  list: listScript,
  listView: listViewScript,
  loading: loadingScript,
  main: mainScript,
  menu: menuScript,
  message: messageScript,
  place: placeScript,
  row: rowScript,
  rows: rowsScript,
  selection: selectionScript,
  sessionView: sessionViewScript,
  sessions: sessionsScript,
  storageChanges: storageChangesScript,
  tables: tablesScript,
  textState: textStateScript,
  texts: textsScript,
  thumbnails: thumbnailsScript,
  timeline: timelineScript,
  trail: trailScript,
  transfer: transferScript,
  unsaved: unsavedScript,
  uploadQueue: uploadQueueScript,
  uploadRequest: uploadRequestScript,
  uploadView: uploadViewScript,
  viewer: viewerScript,
  viewerPlace: viewerPlaceScript,
  words: wordsScript
}
