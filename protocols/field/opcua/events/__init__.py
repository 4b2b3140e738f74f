"""Events of a server as readings: alarms and conditions as text, RFID scans as tag reads."""
